import json

import pytest

from supcon_tf.training.linear_results import read_linear_results

WRITTEN = {
    "top_1_accuracy": 0.5,
    "top_5_accuracy": None,
    "num_train_images": 7,
    "num_test_images": 5,
    "class_names": ["cat", "dog"],
    "chosen": {"l2": 1.0},
    "config": {"method": "fast"},
}


def read(path, results):
    path.write_text(
        results if isinstance(results, str) else json.dumps(results)
    )
    return read_linear_results(path)


def test_what_was_written_is_read(tmp_path):
    assert read(tmp_path / "linear_eval.json", WRITTEN) == WRITTEN


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"top_1_accuracy": None}, r"top_1_accuracy=None, which must be in \["),
        ({"top_5_accuracy": 1.5}, "top_5_accuracy=1.5, which must be in"),
        ({"num_test_images": "many"}, "num_test_images='many', which must be"),
        ({"num_test_images": 10**400}, "num_test_images=1000"),
        ({"class_names": "cat"}, "class_names='cat', which must be a list"),
        ({"chosen": {"l2": "small"}}, "l2='small', which must be a number"),
        ({"config": []}, r"config=\[\], which must be an object"),
    ],
)
def test_what_nobody_wrote_so_is_named(change, words, tmp_path):
    with pytest.raises(ValueError, match=words) as error:
        read(tmp_path / "linear_eval.json", WRITTEN | change)
    assert "\n" not in str(error.value)


def test_what_is_missing_is_named(tmp_path):
    path = tmp_path / "linear_eval.json"
    with pytest.raises(ValueError, match="No such file"):
        read_linear_results(path)
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"nothing for \['config'\]"):
        read_linear_results(path, required=("config",))
