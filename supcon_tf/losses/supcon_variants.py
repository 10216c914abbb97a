"""Variants of Eq. 2 and 3 that need a matrix of what each pair is.

These are another denominator, a cap on the positives, and a mask in place of
labels. A matrix then tells which pairs are positives and which are negatives.
"""

from keras import ops

from supcon_tf.losses.pairs.dense import is_same_class, log_sum_exp
from supcon_tf.losses.pairs.positives import is_same_by_mask, pair_masks


def variant_losses(
    contrasts, *, positives_mask, positives_cap, summation, denominator
):
    """The loss of each anchor, `[M]`, with all similarities in memory.

    `contrasts` is a `Contrasts`; the others are as for `supcon_loss`.
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
    """The loss of each anchor, `[M]`, from masks of the kinds of pairs.

    `anchors` is `[M, D]`, `contrasts` `[C, D]`, and the masks are `[M, C]`
    bool. An anchor is neither a positive nor a negative of itself.
    """
    similarities = ops.matmul(anchors, ops.transpose(contrasts))  # [M, C]
    zeros = ops.zeros_like(similarities)
    positives = ops.sum(ops.cast(is_positive, zeros.dtype), axis=1)
    counts = ops.maximum(positives, 1)
    is_valid = positives > 0

    # [M, C]: log(exp(similarity) / denominator)
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
