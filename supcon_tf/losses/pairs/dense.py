"""Sums over all pairs of each anchor, with all similarities in memory.

`tiled` computes the same for large batches, without holding all of them.
"""

import keras
from keras import ops

from supcon_tf.losses.pairs.terms import ALL_PAIRS, Exps, Products, is_mask


def sums_over_pairs(contrasts, terms, kinds=ALL_PAIRS):
    """As `sums.sums_over_pairs`, from the whole matrix, `[M, T]`."""
    similarities, is_other = _similarities(contrasts)
    weights = _weights(contrasts, kinds)
    columns = []
    for term in terms:
        kind = None if term.kind is None else weights[term.kind]
        if isinstance(term, Exps):
            columns.append(
                _log_sum_exp(term.power * similarities, is_other, kind)
            )
        else:
            values = similarities
            if not isinstance(term, Products):
                values = ops.ones_like(similarities)
            columns.append(_sum(values, is_other, kind))
    return ops.stack(columns, axis=1)


def sums_and_curve(contrasts, terms, kinds, curve, offsets_of):
    """As `sums.sums_and_curve`, from the whole matrix, `[M, T]` and `[M]`."""
    sums = sums_over_pairs(contrasts, terms, kinds)
    offsets, shifts = offsets_of(sums)
    similarities, is_other = _similarities(contrasts)
    x = similarities - offsets[:, None]
    values = curve.value(x, ops.stop_gradient(shifts)[:, None])
    weights = _weights(contrasts, kinds)["positive"]
    return sums, _sum(values, is_other, weights)


def others_of(pairs, stride, is_real=None):
    """The contrasts of each anchor: all that are real, except itself.

    Args:
      pairs: `[M, C]`; only the shape matters. Anchor i is the contrast in row
        `i * stride`.
      stride: positive int.
      is_real: None, or `[C]` floats, 0 for contrasts that do not count.

    Returns:
      `[M, C]` bool.
    """
    rows = ops.arange(ops.shape(pairs)[0], dtype="int32") * stride
    columns = ops.arange(ops.shape(pairs)[1], dtype="int32")
    is_other = rows[:, None] != columns[None, :]
    if is_real is not None:
        is_other = ops.logical_and(is_other, is_real[None, :] > 0)
    return is_other


def lowest(dtype):
    """A finite number far below every similarity."""
    is_double = keras.backend.standardize_dtype(dtype) == "float64"
    return -1e300 if is_double else -1e38


def _similarities(contrasts):
    """The similarities `[M, C]`, and which of them are to other contrasts."""
    similarities = ops.matmul(
        contrasts.anchors, ops.transpose(contrasts.vectors)
    )
    if contrasts.scales is not None:
        similarities *= contrasts.scales[:: contrasts.stride]
    is_other = others_of(similarities, contrasts.stride, contrasts.is_real)
    return similarities, is_other


def _weights(contrasts, kinds):
    """Dict from a kind to the weights of all pairs, `[M, C]`."""
    own = ops.shape(contrasts.own)[0]
    anchors = {
        name: x[:own][:: contrasts.stride] for name, x in kinds.features.items()
    }
    return kinds.weigh(anchors, kinds.features)


def _sum(values, is_other, weights):
    """The sum over the other contrasts, `[M]`, with bool or float weights."""
    mask, factors = _mask_and_factors(is_other, weights)
    if factors is not None:
        values = values * factors
    return ops.sum(ops.where(mask, values, ops.zeros_like(values)), axis=1)


def _log_sum_exp(values, is_other, weights):
    """The log-sum-exp over the other contrasts, `[M]`; very low without any.

    Columns outside of the mask are removed before the maximum is taken, so that
    nothing underflows at small temperatures. The lowest number is finite, not
    -inf, so that the gradient of an anchor without any contrast stays finite.
    """
    mask, factors = _mask_and_factors(is_other, weights)
    if factors is not None:
        mask = ops.logical_and(mask, factors > 0)
        values = values + ops.log(ops.where(factors > 0, factors, 1.0))
    nothing = ops.convert_to_tensor(lowest(values.dtype), dtype=values.dtype)
    return ops.logsumexp(ops.where(mask, values, nothing), axis=1)


def _mask_and_factors(is_other, weights):
    """The mask of the pairs that count, and factors `[M, C]` or None."""
    if weights is None:
        return is_other, None
    if is_mask(weights):
        return ops.logical_and(is_other, weights), None
    return is_other, weights
