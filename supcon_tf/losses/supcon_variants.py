"""Variants of Eq. 2 and 3 that need to know of each pair what it is.

Another denominator, a cap on the positives, a mask in place of labels: which
pairs are positives, and which negatives, is then a matrix.
"""

from keras import ops

from supcon_tf.losses.pairs.dense import is_same_class, log_sum_exp
from supcon_tf.losses.pairs.positives import is_same_by_mask, pair_masks


def variant_losses(
    contrasts, *, positives_mask, positives_cap, summation, denominator
):
    """The loss of each anchor, with all similarities in memory.

    Args:
      contrasts: `Contrasts`.
      positives_mask: as for `supcon_loss`, as are the next ones.
      positives_cap: see there.
      summation: see there.
      denominator: see there.

    Returns:
      `[M]` floats.
    """
    if positives_mask is None:
        is_same = is_same_class(contrasts)
    else:
        is_same = is_same_by_mask(positives_mask, contrasts)
    is_positive, is_negative = pair_masks(
        is_same,
        contrasts.views,
        contrasts.stride,
        positives_cap=positives_cap,
        first=contrasts.first,
        is_real=contrasts.is_real,
    )
    return pair_losses(
        contrasts.anchors,
        contrasts.vectors,
        is_positive,
        is_negative,
        summation=summation,
        denominator=denominator,
    )


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
        log_negatives = log_sum_exp(similarities, is_negative)
        log_ratios = -ops.softplus(log_negatives[:, None] - similarities)
    else:
        in_denominator = is_negative
        if denominator == "all":
            in_denominator = ops.logical_or(is_positive, is_negative)
        log_ratios = similarities - ops.expand_dims(
            log_sum_exp(similarities, in_denominator), 1
        )
        has_any = ops.any(in_denominator, axis=1)
        is_valid = ops.logical_and(is_valid, has_any)

    if summation == "outside":
        total = ops.sum(ops.where(is_positive, log_ratios, zeros), axis=1)
        losses = -total / counts
    else:
        losses = ops.log(counts) - log_sum_exp(log_ratios, is_positive)
    return ops.where(is_valid, losses, ops.zeros_like(losses))
