"""Whether a classifier is right as often as it says."""

import numpy as np
from numpy.typing import ArrayLike

_ROUNDING = 1e-3  # of the sum of float16 probabilities


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 15
) -> float:
    """The mean gap between a classifier's confidence and its accuracy.

    The confidence in an answer is the highest probability. The images are put
    into bins of equal width by it, and

        ECE = sum_b n_b / n * |accuracy_b - confidence_b|

    where accuracy and confidence are means over the n_b images of a bin.

    Args:
      labels: `[B]` integers in [0, C).
      probabilities: `[B, C]` floats in [0, 1] whose rows sum to 1: the softmax
        of logits, not logits.
      bins: int >= 1, 15 by default as in the paper. Bin b holds confidences in
        (b / bins, (b + 1) / bins].

    Returns:
      A Python float in [0, 1]; 0 is best.

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> round(expected_calibration_error([0, 1], [[0.9, 0.1], [0.9, 0.1]]), 6)
      0.4

    Reference:
      Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, Eq. 3.
    """
    labels = np.asarray(labels)
    probabilities = np.asarray(probabilities, np.float64)
    shape = probabilities.shape
    if len(shape) != 2 or not shape[0] or labels.shape != shape[:1]:
        raise ValueError(
            "`probabilities` must be [B, C] and `labels` [B], of one or more "
            f"images. Received: shapes {shape} and {labels.shape}"
        )
    sums = probabilities.sum(axis=1)
    is_each = probabilities.min() >= 0 and np.abs(sums - 1).max() <= _ROUNDING
    if not is_each:
        raise ValueError(
            "`probabilities` must be in [0, 1] and sum to 1 for each image; "
            "take the softmax of logits. Received: values from "
            f"{probabilities.min():g} to {probabilities.max():g}, sums from "
            f"{sums.min():g} to {sums.max():g}"
        )
    if bins < 1:
        raise ValueError(f"`bins` must be at least 1. Received: bins={bins}")
    confidences = np.minimum(probabilities.max(axis=1), 1)
    is_right = probabilities.argmax(axis=1) == labels
    numbers = np.ceil(confidences * bins).astype(int)
    # The sum over a bin of what it is right by and what it is sure of.
    gaps = np.bincount(numbers, weights=is_right - confidences)
    return float(np.abs(gaps).sum() / len(labels))
