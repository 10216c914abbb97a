"""Log-sum-exps over pairs, with all similarities in memory.

`tiled` computes the same for large batches, without holding all of them.
"""

import keras
from keras import ops


def log_sum_exps(contrasts, *, with_positives=False):
    """As `log_sum_exps.log_sum_exps`, from the whole matrix of similarities."""
    similarities = ops.matmul(
        contrasts.anchors, ops.transpose(contrasts.vectors)
    )  # [M, C]
    is_other = others_of(similarities, contrasts.stride, contrasts.is_real)
    columns = [log_sum_exp(similarities, is_other)]
    if with_positives:
        is_same = is_same_class(contrasts)
        is_positive = ops.logical_and(is_same, is_other)
        columns.append(log_sum_exp(similarities, is_positive))
    return ops.stack(columns, axis=1)


def is_same_class(contrasts):
    """Whether an anchor and a contrast have the same class, `[M, C]` bool."""
    return contrasts.anchor_classes[:, None] == contrasts.classes[None, :]


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
    rows = ops.arange(ops.shape(pairs)[0]) * stride
    columns = ops.arange(ops.shape(pairs)[1])
    is_other = rows[:, None] != columns[None, :]
    if is_real is not None:
        is_other = ops.logical_and(is_other, is_real[None, :] > 0)
    return is_other


def log_sum_exp(values, mask):
    """The log-sum-exp over the masked columns, `[M]`; very low where none is.

    Columns outside of the mask are removed before the maximum is taken, so that
    nothing underflows at small temperatures. The lowest number is finite, not
    -inf, so that the gradient of an anchor without any contrast stays finite.
    """
    dtype = keras.backend.standardize_dtype(values.dtype)
    lowest = -1e300 if dtype == "float64" else -1e38
    lowest = ops.convert_to_tensor(lowest, dtype=dtype)
    return ops.logsumexp(ops.where(mask, values, lowest), axis=1)
