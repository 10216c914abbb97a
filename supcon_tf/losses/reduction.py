"""From the losses of images to one number, on one replica and on many."""

from keras import ops

from supcon_tf.distribution.collectives import part_of_sum, sum_over_replicas


def reduced(losses, sample_weight, reduction):
    """Weighted losses of the replica's images as Keras' reductions say.

    Of several replicas each has its part of the sum over the global batch,
    over the global count.

    Args:
      losses: `[B]` floats, those of the replica's images.
      sample_weight: `[B]`, `[B, 1]` or scalar numbers, or None.
      reduction: "sum_over_batch_size", "sum", "mean_with_sample_weight" or
        "none".

    Returns:
      A scalar; with "none" `[B]`.

    Raises:
      ValueError: if `sample_weight` has another shape.
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
