import numpy as np
import pytest

from supcon_tf.metrics.accuracy import top_1_accuracy


def test_top_1_accuracy_is_the_share_of_right_argmaxes():
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    assert top_1_accuracy(np.array([1, 0, 0, 0]), scores) == 0.5


@pytest.mark.parametrize("labels", [[0, 1], [[0], [1]], np.eye(2)])
def test_labels_come_in_many_forms(labels):
    assert top_1_accuracy(labels, np.eye(2)) == 1


@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        ([0], np.eye(2)),
        ([0.5, 1], np.eye(2)),
        ([np.nan, 1], np.eye(2)),
        (["a", "b"], np.eye(2)),
        ([0, 1], [0, 1]),
        ([0, 1], np.zeros((2, 1, 2))),
        ([0, 1], [[np.nan, np.nan], [0, 1]]),
    ],
)
def test_what_would_be_spread_over_all_images_is_refused(labels, scores):
    """One label of two was right for half of the scores, NaN was class 0."""
    with pytest.raises(ValueError, match="Received: "):
        top_1_accuracy(labels, scores)
