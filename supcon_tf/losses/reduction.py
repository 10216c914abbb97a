"""Reduces the losses of images to one number, on one replica and on many."""

from keras import ops

from supcon_tf.distribution.collectives import part_of_sum, sum_over_replicas


def reduced(losses, sample_weight, reduction):
    """Weights and reduces the losses of the replica's images, as Keras does.

    On several replicas each one gets its part of the sum over the global batch,
    divided by the global count.

    Args:
      losses: `[B]` floats, the losses of the replica's images.
      sample_weight: `[B]`, `[B, 1]` or scalar numbers, or None.
      reduction: `"sum_over_batch_size"` or `"mean"`, which divide by the number
        of images; `"mean_with_sample_weight"`, which divides by the sum of the
        weights; `"sum"`; `"none"` or None.

    Returns:
      A scalar, or `[B]` without a reduction.

    Raises:
      ValueError: if `sample_weight` has another shape.

    Example:
      >>> losses = ops.array([1.0, 3.0])
      >>> float(reduced(losses, [1.0, 2.0], "sum_over_batch_size"))
      3.5
    """
    weights = ops.ones_like(losses)
    if sample_weight is not None:
        sample_weight = ops.cast(sample_weight, losses.dtype)
        given = sample_weight.shape
        sample_weight = ops.reshape(sample_weight, (-1,))
        size, allowed = sample_weight.shape[0], losses.shape[0]
        if None not in (size, allowed) and size not in (1, allowed):
            raise ValueError(
                f"`sample_weight` must have shape [B], B = {allowed}. "
                f"Received: shape={tuple(given)}"
            )
        weights = weights * sample_weight
    losses = losses * weights
    if reduction in (None, "none"):
        return losses
    total = ops.sum(losses)
    if reduction != "sum":
        if reduction != "mean_with_sample_weight":
            weights = ops.ones_like(losses)
        count = sum_over_replicas(ops.sum(weights))
        total = ops.divide_no_nan(total, count)
    return part_of_sum(total, sum_over_replicas(ops.stop_gradient(total)))
