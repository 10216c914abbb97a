"""Top-1 and top-5 accuracies of scores."""

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.labels import as_ids
from supcon_tf.metrics.calibration import expected_calibration_error

# The bias of a class without training images, which is never the answer.
ABSENT = -1e9


def top_1_accuracy(labels: ArrayLike, scores: ArrayLike) -> float:
    """The share of the images whose highest score is that of their label.

    Args:
      labels: `[B]` integers in [0, C), or in another form that a loss takes.
      scores: `[B, C]` floats.

    Returns:
      A Python float in [0, 1].

    Raises:
      ValueError: if the shapes are others, labels are no classes, or a score
        is NaN.

    Example:
      >>> top_1_accuracy([1, 1], [[0.1, 0.9], [0.8, 0.2]])
      0.5
    """
    scores = ops.convert_to_numpy(scores)
    if scores.ndim != 2 or len(labels) != len(scores):
        raise ValueError(
            "`labels` must be [B] integers, and `scores` [B, C] floats. "
            f"Received: {len(labels)} labels, scores of shape {scores.shape}"
        )
    labels = ops.convert_to_numpy(as_ids(labels, len(scores)))
    if np.isnan(scores.astype("float32")).any():
        raise ValueError(
            "`scores` must be numbers: weights that are NaN make scores that "
            "are. Received: NaN"
        )
    # NumPy's mean is a float64: 0.3, and not the float32 next to it.
    return float(np.mean(scores.argmax(axis=1) == labels))


def num_answers(classifier):
    """The number of classes that a linear classifier ever answers.

    Labels such as 0, 10, 20 and 30 make 31 columns of scores, but 27 of them
    have had no training images, and are never the answer.

    Args:
      classifier: `LinearClassifier`, whose dense layer is built.

    Returns:
      An int.
    """
    return int(np.sum(np.array(classifier.dense.bias) > ABSENT / 2))


def top_accuracies(classifier, representations, labels):
    """Accuracies and calibration of a linear classifier, from representations.

    Args:
      classifier: `LinearClassifier`. Only its dense layer is used.
      representations: `[n, R]` float32, of its encoder.
      labels: `[n]` integers.

    Returns:
      A dict of `top_1_accuracy` and `top_5_accuracy`, as from
      `classification_accuracy`. The latter is None with 5 classes or fewer
      that have had training images. Also `expected_calibration_error`.
    """
    scores = ops.convert_to_numpy(classifier.dense(representations))
    top_5_accuracy = None
    if num_answers(classifier) > 5:
        best = np.argpartition(-scores, 4, axis=1)[:, :5]
        top_5_accuracy = float(np.mean((best == labels[:, None]).any(axis=1)))
    return {
        "top_1_accuracy": float(np.mean(scores.argmax(axis=1) == labels)),
        "top_5_accuracy": top_5_accuracy,
        "expected_calibration_error": expected_calibration_error(
            labels, scores
        ),
    }
