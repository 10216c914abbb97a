"""What `write_page` refuses, and what it makes of predictions."""

import numpy as np
import pytest

from supcon_tf.photographs.page.models import checked_models, matrix_of

X = np.eye(3)
SCORES = np.array([[0.7, 0.3], [0.4, 0.6], [1, 0]])


def test_probabilities_become_predictions_and_their_confidence():
    _, names, models = checked_models([0, 1, 1], X, "ab", SCORES)
    assert names == ["a", "b"]
    assert models["encoder"].predictions.tolist() == [0, 1, 0]
    assert models["encoder"].confidences.tolist() == [0.7, 0.6, 1]


def test_integers_are_predictions_without_confidence():
    _, _, models = checked_models(
        [0, 1, 1], {"a": X, "b": X}, "ab", {"a": [0, 1, 0], "b": [1, 1, 1]}
    )
    assert models["b"].predictions.tolist() == [1, 1, 1]
    assert models["b"].confidences is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([0.0, 1.0, 1.0], X), "`labels` must be integers"),
        (([0], X[:1]), "`labels` must be integers of two or more"),
        (([0, 1, 2], X, ["a", "b"]), "Received: 0 to 2 with 2 names"),
        (([0, -1, 1], X, ["a", "b"]), "Received: -1 to 1"),
        (([0, 1, 1], X[:2]), "one row for each of the 3 labels"),
        (([0, 1, 1], X * np.nan), "`features` must be finite"),
        (([0, 1, 1], X, "ab", SCORES * 2), "rows that do not sum to 1"),
        (([0, 1, 1], X, "ab", -SCORES), "rows that do not sum to 1"),
        (([0, 1, 1], X, "ab", [0, 1, 2]), "Received: 0 to 2"),
        (([0, 1, 1], X, "ab", [0, 1]), "Received: shape (2,)"),
        (([0, 1, 1], {"a": X}, "ab", {"b": SCORES}), "Received: ['b']"),
    ],
)
def test_what_is_wrong_is_one_clear_line(arguments, words):
    with pytest.raises(ValueError) as error:
        checked_models(*arguments)
    assert words in str(error.value)


def test_a_matrix_counts_classes_in_rows_and_predictions_in_columns():
    matrix = matrix_of([0, 0, 2, 2, 2], [1, 1, 2, 0, 2], 3)
    assert matrix.tolist() == [[0, 2, 0], [0, 0, 0], [1, 0, 2]]
