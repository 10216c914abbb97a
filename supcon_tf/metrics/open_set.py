"""Measures how well a distance tells images of no known class from others."""

import numpy as np


def auroc(known, unknown):
    """Computes the area under the ROC curve of a distance.

    It is the probability that an unknown image is farther than a known one,
    where equal distances count half.

    Args:
      known: `[n]` finite floats, distances of images of the classes.
      unknown: `[m]` finite floats, distances of images of none of them.

    Returns:
      A Python float in [0, 1]; 0.5 is chance and 1 is best.

    Raises:
      ValueError: if one of them is empty or not as described.

    Example:
      >>> from supcon_tf.metrics.open_set import auroc
      >>> auroc([0.1, 0.2, 0.3], [0.25, 0.4])
      0.833...
    """
    known = np.sort(_checked("known", known))
    unknown = _checked("unknown", unknown)
    nearer = np.searchsorted(known, unknown, side="left")
    not_farther = np.searchsorted(known, unknown, side="right")
    return float((nearer + not_farther).mean() / (2 * len(known)))


def fpr_at_95_tpr(known, unknown):
    """Computes which part of the unknown is taken for known.

    The threshold is the smallest distance that takes at least 95 % of the known
    images for known.

    Args:
      known: as in `auroc`.
      unknown: as in `auroc`.

    Returns:
      A Python float in [0, 1]; 0 is best.

    Raises:
      ValueError: as in `auroc`.

    Example:
      >>> from supcon_tf.metrics.open_set import fpr_at_95_tpr
      >>> fpr_at_95_tpr(np.arange(100), [10, 94, 95, 200])
      0.5

    Reference:
      Hendrycks & Gimpel, "A baseline for detecting misclassified and
      out-of-distribution examples", ICLR 2017, and Liang et al. (ODIN), ICLR
      2018.
    """
    known = np.sort(_checked("known", known))
    unknown = _checked("unknown", unknown)
    kept = -(-95 * len(known) // 100)  # rounded up, of integers
    return float(np.mean(unknown <= known[kept - 1]))


def _checked(name, values):
    """Distances as an array `[n]`; refuses what is not."""
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(
            f"`{name}` must be one or more finite floats of shape [n]. "
            f"Received: shape {values.shape}"
        )
    return values
