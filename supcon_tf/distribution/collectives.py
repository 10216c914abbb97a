"""What the replicas of a `tf.distribute` strategy do together.

Everything here is the identity where there is one replica, so that the same
code runs on one device and on many.
"""

import keras
import tensorflow as tf


def replica_context():
    """The context of a step on one of several replicas, else None.

    None also while Keras builds a model, which is in no replica, and on other
    backends than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        return None
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return None
    return context


def num_replicas():
    """How many replicas run this step: 1 outside of one."""
    context = replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def concat_over_replicas(x):
    """The parts of all replicas, one after the other, on every replica.

    Gradients flow back to the replica that each part is from. The parts may
    differ in size (on a TPU they may not).

    Args:
      x: `[b, ...]`, the replica's part.

    Returns:
      `[B, ...]`, the same on all replicas.

    Example:
      >>> strategy.run(lambda: concat_over_replicas(tf.ones((4, 2))))  # [8, 2]
    """
    context = replica_context()
    if context is None:
        return x
    if x.dtype == tf.int64:  # a TPU sums int32, not int64
        halves = concat_over_replicas(tf.bitcast(x, tf.int32))
        return tf.bitcast(halves, tf.int64)
    # (An input of the step as it is has no device, which all_gather needs.)
    parts = context.all_gather(tf.identity(x), axis=0)
    return tf.ensure_shape(parts, [None, *x.shape[1:]])


def sum_over_replicas(x):
    """The sum of all replicas' values, or lists of values, on every replica."""
    context = replica_context()
    if context is None:
        return x
    # (Eagerly, sizes are Python's ints.)
    x = tf.nest.map_structure(tf.convert_to_tensor, x)
    return context.all_reduce("SUM", x)


def first_row(size):
    """Where a replica's part begins in what `concat_over_replicas` returns.

    Parts may differ in size: this is no multiple of the replica's own.

    Args:
      size: int or integer tensor, rows of the replica's part.

    Returns:
      int 0 on one replica, else an int32 scalar.
    """
    context = replica_context()
    if context is None:
        return 0
    sizes = concat_over_replicas(tf.reshape(size, (1,)))  # [R]
    is_before = tf.range(context.num_replicas_in_sync) < (
        context.replica_id_in_sync_group
    )
    return tf.reduce_sum(tf.where(is_before, sizes, 0))


def part_of_sum(part, whole):
    """A replica's part of a sum over replicas, logged as an equal share of it.

    Keras adds up the gradients of the replicas' losses, but takes the mean of
    R times their values, weighted by the replicas' images: that is the sum
    only if all have the same value.

    Args:
      part: scalar, of which the gradient is taken.
      whole: scalar, the sum of the parts of all replicas.

    Returns:
      Scalar of the value `whole / R`.
    """
    if num_replicas() == 1:
        return part
    return part + tf.stop_gradient(whole / num_replicas() - part)
