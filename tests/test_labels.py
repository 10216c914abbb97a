import keras
import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.labels import as_ids, as_names, known_values, refuse_names

INT64 = np.iinfo(np.int64)


@pytest.mark.parametrize(
    "labels",
    [
        [3, 1, 3],
        (3, 1, 3),
        [[3], [1], [3]],
        np.array([3, 1, 3], np.uint8),
        np.array([3, 1, 3], np.uint64),
        np.array([3, 1, 3], np.float16),
        tf.constant([3, 1, 3]),
        tf.constant([[3.0], [1.0], [3.0]], tf.bfloat16),
        tf.Variable([3, 1, 3]),
        np.eye(4)[[3, 1, 3]],
        np.eye(4, dtype=bool)[[3, 1, 3]],
        tf.one_hot([3, 1, 3], 4),
    ],
    ids=lambda labels: f"{type(labels).__name__}",
)
def test_ids_come_in_many_forms(labels):
    ids = as_ids(labels, 3)
    assert ids.dtype == tf.int64
    assert ids.numpy().tolist() == [3, 1, 3]


def test_no_labels_stay_none():
    assert as_ids(None, 3) is None


def test_a_single_column_is_an_id_not_one_hot():
    assert as_ids([[1], [0], [1]], 3).numpy().tolist() == [1, 0, 1]


def test_booleans_are_two_classes():
    assert as_ids([True, False], 2).numpy().tolist() == [1, 0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [
        tf.TensorSpec(None, tf.int64),
        tf.TensorSpec([None, None], tf.int64),
        tf.TensorSpec([None, None], tf.float32),
    ],
)
@pytest.mark.parametrize("labels", [[[3], [1], [3]], np.eye(4)[[3, 1, 3]]])
def test_the_number_of_columns_may_show_only_at_run_time(spec, labels):
    ids = tf.function(lambda x: as_ids(x, 3), input_signature=[spec])
    assert ids(tf.cast(labels, spec.dtype)).numpy().tolist() == [3, 1, 3]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            [0.5, 1, 2],
            "`labels` must be whole numbers, of at most 64 bits. Received: 0.5",
        ),
        (
            [np.nan, 1, 2],
            "`labels` must be whole numbers, of at most 64 bits. Received: nan",
        ),
        (
            [np.inf, 1, 2],
            "`labels` must be whole numbers, of at most 64 bits. Received: inf",
        ),
        ([0, 1], "same batch size. Received: 2 labels and 3 rows"),
        (np.zeros((3, 1, 1)), "or, one-hot, [B, C]. Received: shape=(3, 1, 1)"),
        (7, "or, one-hot, [B, C]. Received: shape=()"),
        ([[0, 1], [1, 0], [1, 1]], "Received: row 2 = [1, 1]"),
        ([[0, 1], [0, 0], [1, 0]], "Received: row 1 = [0, 0]"),
        ([[0, 1], [1, 0], [0.0, 2]], "Received: row 2 = [0.0, 2.0]"),
        (
            [[0.5, 0.5], [1, 0], [1, 0]],
            "whole numbers, of at most 64 bits. Received: 0.5",
        ),
        (["cat", "dog", "cat"], "np.unique(names, return_inverse=True)"),
        (tf.constant(["cat", "dog", "cat"]), "Received: dtype=string"),
        (np.array(["a", "b", 3], object), "Received: dtype=object"),
        (np.array([1, 2j, 3]), "Received: dtype=complex128"),
        (np.array([1, 2, 3], "datetime64[s]"), "Received: dtype=datetime64"),
        ([1e19, 2e19, 3e19], "of at most 64 bits. Received: 1e+19"),
    ],
)
def test_other_labels_are_refused(labels, message):
    with pytest.raises(ValueError) as error:
        as_ids(labels, 3)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_refuse_names_lets_numbers_pass():
    for labels in ([1, 2], [1.0], np.zeros(2, "uint8"), tf.constant([1])):
        refuse_names(labels)


def test_ids_past_int32_are_refused_on_other_backends(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert as_ids([2**31 - 1, -(2**31)], 2).dtype == tf.int32
    with pytest.raises(ValueError, match="must be int32 on this backend"):
        as_ids([0, 2**31], 2)


def test_values_are_known_outside_of_a_compiled_step():
    for labels in ([1, 2], np.array([1, 2]), tf.constant([1, 2])):
        assert known_values(labels).tolist() == [1, 2]
    seen = []

    @tf.function
    def step(labels):
        seen.append(known_values(labels))
        return labels

    step(tf.constant([1, 2]))
    assert seen == [None]
    assert known_values(keras.KerasTensor((2,), "int64")) is None


@pytest.mark.parametrize(
    "names",
    [
        ["cat", "dog"],
        np.unique(["dog", "cat"]),
        np.array(["cat", "dog"], object),
        np.array([b"cat", b"dog"]),
        [b"cat", b"dog"],
        tf.constant(["cat", "dog"]),
        (name for name in ("cat", "dog")),
        {"cat": 0, "dog": 1}.keys(),
    ],
    ids=range(8),
)
def test_names_of_any_form_become_strings(names):
    names = as_names(names)
    assert names == ("cat", "dog") and {type(n) for n in names} == {str}


def test_names_may_be_numbers_and_must_have_an_order():
    assert as_names(np.arange(2)) == (0, 1) and as_names(None) == ()
    assert type(as_names(np.arange(2))[0]) is int
    for names in ({"cat", "dog"}, {"cat": 0}, 7, np.array([["cat"]])):
        with pytest.raises(ValueError, match="in the order of the labels"):
            as_names(names)


@pytest.mark.parametrize(
    "names", [b"cat", "cat", [["a"], ["b"]], [None, "b"], [float("nan")]]
)
def test_names_that_are_none_are_refused(names):
    """The bytes of a word were three classes, 99, 97 and 116."""
    with pytest.raises(ValueError, match="class_names"):
        as_names(names)
