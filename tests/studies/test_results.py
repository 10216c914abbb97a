"""The results of a study: rows, their file, their table."""

import random
import statistics

import pytest

from supcon_tf.studies import Run
from supcon_tf.studies.results import (
    columns_of,
    grouped,
    in_order,
    mean_and_spread,
    read_rows,
    results_table,
    row_of,
    write_rows,
)

VARIED = ("max_samples",)


def row(objective, size, seed, accuracy, own=None, **others):
    results = None
    if accuracy is not None:
        results = {
            "top_1_accuracy": accuracy,
            "top_5_accuracy": None,
            "classifier_top_1_accuracy": own,
            "num_train_images": size or 1437,
            "class_names": ["a", "b"],
        }
    run = Run(objective, {"max_samples": size}, seed)
    return row_of(run, "training_set_size", results=results, **others)


ROWS = [
    row("cross_entropy", 64, 0, 0.5, 0.25, seconds=2.0),
    row("cross_entropy", None, 0, 0.75, 0.5),
    row("supcon", 64, 0, 0.5, seconds=1.0),
    row("supcon", 64, 1, 0.75, seconds=2.0),
    row("supcon", 128, 0, None, error='no, "never", so', seconds=1.5),
    row("supcon", None, 0, 1.0, seconds=3.0),
]


def test_the_file_is_read_as_it_was_written_and_sorted(tmp_path):
    path = tmp_path / "results.csv"
    shuffled = random.Random(0).sample(ROWS, len(ROWS))
    write_rows(path, shuffled, VARIED)
    assert [p.name for p in tmp_path.iterdir()] == ["results.csv"]
    assert list(read_rows(path, VARIED).values()) == ROWS
    assert in_order(shuffled, VARIED) == ROWS
    assert path.read_text().splitlines()[0] == ",".join(columns_of(VARIED))


def test_numbers_are_sorted_as_numbers_and_names_as_names():
    def of(optimizer, rate):
        settings = {"optimizer": optimizer, "base_learning_rate": rate}
        return row_of(Run("supcon", settings, 0), "hyperparameters")

    rows = [of("sgd", 10.0), of("sgd", 2.0), of("adam", 9.0)]
    ordered = in_order(rows, ("optimizer", "base_learning_rate"))
    assert ordered == [rows[2], rows[1], rows[0]]


def test_without_a_file_there_are_no_rows(tmp_path):
    assert read_rows(tmp_path / "results.csv", VARIED) == {}


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "good,1\n"])
def test_another_table_is_refused(text, tmp_path):
    path = tmp_path / "results.csv"
    write_rows(path, ROWS, VARIED)
    path.write_text(path.read_text() + text if "good" in text else text)
    with pytest.raises(ValueError, match="must be a table with the columns"):
        read_rows(path, VARIED)


def test_runs_that_differ_in_the_seed_are_one_group():
    groups = grouped(ROWS, ("objective", "max_samples"))
    assert groups["supcon", 64] == ROWS[2:4]
    assert ("supcon", 128) not in groups  # failed
    assert len(groups) == 4


def test_the_spread_is_the_sample_standard_deviation():
    values = [0.5, 0.75, 0.25]
    mean, spread = mean_and_spread(values)
    assert (mean, spread) == (0.5, statistics.stdev(values)) == (0.5, 0.25)
    assert mean_and_spread([0.5]) == (0.5, None)


def test_the_table_has_means_spreads_and_what_failed():
    assert results_table(ROWS, VARIED).splitlines() == [
        "objective      max_samples  seeds  top-1 %         own top-1 %  s",
        "cross_entropy  64           1      50.00           25.00        2",
        "cross_entropy  all          1      75.00           50.00",
        "supcon         64           2      62.50 +- 17.68  -            2",
        "supcon         all          1      100.00          -            3",
        'failed: supcon-max_samples-128-seed-0: no, "never", so',
    ]
