"""What a value of the loss means."""

import keras
from keras import ops


def collapsed_loss(labels, projections):
    """The value of the loss if all projections were identical.

    Then every contrast is as similar as every other and an anchor with
    positives has the loss `log(N - 1)`, N = B * V, whatever its labels and the
    temperature. A run whose loss stays at this value is stuck: it has learnt
    nothing or has collapsed.

    Args:
      labels: `[B]` or `[B, 1]` integers, or None, as for `supcon_loss`.
      projections: `[B, V, D]` or `[B, D]`; only the shape matters.

    Returns:
      A float32 scalar: the mean over the B images, of which those without a
      positive (one view, and no other image of the class) count as 0.

    Example:
      >>> collapsed_loss([0, 1, 0, 1], keras.ops.zeros((4, 2, 128)))  # log(7)
      <tf.Tensor: shape=(), dtype=float32, numpy=1.9459102>
    """
    views = projections.shape[1] if len(projections.shape) == 3 else 1
    batch = ops.shape(projections)[0]
    others = ops.cast(batch * views - 1, "float32")
    value = ops.log(ops.maximum(others, 1.0))
    if views > 1:
        return value
    if labels is None:
        return ops.zeros_like(value)
    ids = ops.reshape(ops.convert_to_tensor(labels), (-1,))
    same_class = ops.cast(ids[:, None] == ids[None, :], "int32")
    has_positive = ops.sum(same_class, axis=1) > 1
    return value * ops.mean(ops.cast(has_positive, "float32"))


def top_1_accuracy(scores, labels):
    """Share of the images whose highest score is their label's.

    Args:
      scores: `[B, C]` floats.
      labels: `[B]` integers in [0, C).

    Returns:
      A Python float in [0, 1].
    """
    predicted = keras.ops.argmax(scores, axis=-1)
    labels = ops.cast(ops.convert_to_tensor(labels), predicted.dtype)
    return float(ops.mean(ops.cast(predicted == labels, "float32")))
