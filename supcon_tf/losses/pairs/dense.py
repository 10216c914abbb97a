"""The loss with all similarities in memory, straight from the equations.

`tiled` computes the same without them, for large batches.
"""

import keras
from keras import ops


def log_denominators(anchors, contrasts, step, is_real=None):
    """Log-sum-exp of the similarities of each anchor to all but itself.

    Args:
      anchors: `[M, D]` floats; similarities are products of anchors and
        contrasts as they are.
      contrasts: `[C, D]` floats; anchor i is the contrast in row `i * step`.
      step: positive int.
      is_real: None, or `[C]` floats, 0 for contrasts that do not count.

    Returns:
      `[M]` floats; a finite number where there is no other contrast.
    """
    similarities = ops.matmul(anchors, ops.transpose(contrasts))  # [M, C]
    is_other = ops.logical_not(_is_self(similarities, step))
    if is_real is not None:
        is_other = ops.logical_and(is_other, is_real[None, :] > 0)
    return _log_sum_exp(similarities, is_other)


def pair_masks(
    is_same, views, step, *, positives_cap=None, first=0, is_real=None
):
    """Which contrasts are positives, and which negatives, of each anchor.

    Args:
      is_same: `[M, C]` bool, which contrasts are of the anchor's class.
      views: int V; V contrasts in a row are views of an image.
      step: int; anchor i is the contrast in row `i * step`.
      positives_cap: as for `supcon_loss`.
      first: how many contrasts from the end come before row 0 in the order in
        which the cap counts.
      is_real: None, or `[C]` floats, 0 for contrasts that do not count.

    Returns:
      `[M, C]` bool, positives, and `[M, C]` bool, negatives.
    """
    columns = ops.arange(ops.shape(is_same)[1]) // views
    rows = ops.arange(ops.shape(is_same)[0]) * step // views
    is_own = rows[:, None] == columns[None, :]  # of the anchor's image
    is_same = ops.logical_or(is_same, is_own)
    is_positive = is_same
    if positives_cap is not None:
        is_other = ops.logical_and(is_same, ops.logical_not(is_own))
        rank = rolled(ops.cast(is_other, "int32"), first)
        rank = rolled(ops.cumsum(rank, axis=1), -first)
        is_kept = ops.logical_and(is_other, rank <= positives_cap)
        is_positive = ops.logical_or(is_own, is_kept)
    is_other = ops.logical_not(_is_self(is_same, step))
    if is_real is not None:
        is_other = ops.logical_and(is_other, is_real[None, :] > 0)
    return (
        ops.logical_and(is_positive, is_other),
        ops.logical_and(ops.logical_not(is_same), is_other),
    )


def rolled(pairs, shift):
    """`[M, C]`, the columns moved to the right in a circle."""
    if isinstance(shift, int) and shift == 0:
        return pairs
    return ops.roll(pairs, shift, axis=1)


def pair_losses(
    anchors, contrasts, is_positive, is_negative, *, summation, denominator
):
    """The loss of each anchor, from masks of its positives and negatives.

    Args:
      anchors: `[M, D]` floats.
      contrasts: `[C, D]` floats.
      is_positive: `[M, C]` bool. The anchor itself is neither positive nor
        negative.
      is_negative: `[M, C]` bool.
      summation: as for `supcon_loss`.
      denominator: as for `supcon_loss`.

    Returns:
      `[M]` floats, 0 for anchors without positives, and with
      `"only_negatives"` also for those without negatives.
    """
    similarities = ops.matmul(anchors, ops.transpose(contrasts))  # [M, C]
    zeros = ops.zeros_like(similarities)
    positives = ops.sum(ops.cast(is_positive, zeros.dtype), axis=1)
    counts = ops.maximum(positives, 1)
    is_valid = positives > 0

    # log(exp(positive similarity) / denominator), of each pair or of the anchor
    if denominator == "one_positive":
        log_negatives = _log_sum_exp(similarities, is_negative)
        log_ratios = -ops.softplus(log_negatives[:, None] - similarities)
    else:
        in_denominator = is_negative
        if denominator == "all":
            in_denominator = ops.logical_or(is_positive, is_negative)
        log_ratios = similarities - ops.expand_dims(
            _log_sum_exp(similarities, in_denominator), 1
        )
        has_any = ops.any(in_denominator, axis=1)
        is_valid = ops.logical_and(is_valid, has_any)

    if summation == "outside":
        total = ops.sum(ops.where(is_positive, log_ratios, zeros), axis=1)
        losses = -total / counts
    else:
        losses = ops.log(counts) - _log_sum_exp(log_ratios, is_positive)
    return ops.where(is_valid, losses, ops.zeros_like(losses))


def _is_self(pairs, step):
    """`[M, C]` bool, where row and column are the same projection."""
    rows = ops.arange(ops.shape(pairs)[0]) * step
    columns = ops.arange(ops.shape(pairs)[1])
    return rows[:, None] == columns[None, :]


def _log_sum_exp(values, mask):
    """`[M]` log-sum-exp over the masked columns; very low where none is.

    What is left out is taken out before the maximum is looked for: nothing
    then underflows at small temperatures. The lowest number is finite, not
    -inf, so that the gradient of an anchor without any stays finite.
    """
    dtype = keras.backend.standardize_dtype(values.dtype)
    lowest = -1e300 if dtype == "float64" else -1e38
    lowest = ops.convert_to_tensor(lowest, dtype=dtype)
    return ops.logsumexp(ops.where(mask, values, lowest), axis=1)
