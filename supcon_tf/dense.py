"""The loss with all similarities in memory, straight from the equations.

`supcon_tf.tiled` computes the same without them, for large batches.
"""

import keras
from keras import ops


def log_denominators(anchors, contrasts, step):
    """Log-sum-exp of the similarities of each anchor to all but itself.

    Args:
      anchors: `[M, D]` floats; similarities are products of anchors and
        contrasts as they are.
      contrasts: `[N, D]` floats, of which every `step`-th is an anchor.
      step: positive int.

    Returns:
      `[M]` floats; a finite number where there is no other contrast.
    """
    similarities = ops.matmul(anchors, ops.transpose(contrasts))  # [M, N]
    is_other = ops.logical_not(_is_self(ops.shape(contrasts)[0], step))
    return _log_sum_exp(similarities, is_other)


def pair_masks(is_same, views, step, positives_cap):
    """Which projections are positives, and which negatives, of each anchor.

    Args:
      is_same: `[B, B]` bool, which images (columns) are positives of which.
      views: V, a positive int.
      step: every `step`-th of the N = B * V projections is an anchor.
      positives_cap: as for `supcon_loss`.

    Returns:
      `[M, N]` bool, positives, and `[M, N]` bool, negatives.
    """
    batch = ops.shape(is_same)[0]
    is_own = ops.eye(batch, dtype="bool")
    is_same = ops.logical_or(is_same, is_own)
    is_kept = is_same
    if positives_cap is not None:
        is_other = ops.logical_and(is_same, ops.logical_not(is_own))
        rank = ops.cumsum(ops.cast(is_other, "int32"), axis=1)
        is_kept = ops.logical_or(
            is_own,
            ops.logical_and(is_other, rank <= positives_cap // views),
        )

    def of_projections(mask):  # [B, B] -> [M, N]
        mask = ops.repeat(mask, views // step, axis=0)
        return ops.repeat(mask, views, axis=1)

    is_other = ops.logical_not(_is_self(batch * views, step))
    return (
        ops.logical_and(of_projections(is_kept), is_other),
        ops.logical_not(of_projections(is_same)),
    )


def pair_losses(
    anchors, contrasts, is_positive, is_negative, *, summation, denominator
):
    """The loss of each anchor, from masks of its positives and negatives.

    Args:
      anchors: `[M, D]` floats.
      contrasts: `[N, D]` floats.
      is_positive: `[M, N]` bool. The anchor itself is neither positive nor
        negative.
      is_negative: `[M, N]` bool.
      summation: as for `supcon_loss`.
      denominator: as for `supcon_loss`.

    Returns:
      `[M]` floats, 0 for anchors without positives, and with
      `"only_negatives"` also for those without negatives.
    """
    similarities = ops.matmul(anchors, ops.transpose(contrasts))  # [M, N]
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


def _is_self(size, step):
    """`[M, N]` bool, where row and column are the same projection."""
    columns = ops.arange(size)
    return columns[::step, None] == columns[None, :]


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
