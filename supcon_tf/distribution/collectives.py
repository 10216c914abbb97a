"""The sums and rows that the replicas of a step share.

They are those of a `tf.distribute` strategy or, on JAX, the devices within
`own_rows.over_own_rows`. With one replica a value stays as it is, so that the
same code runs on one device and on many.
"""

import keras

from supcon_tf.distribution.own_rows import own_axis
from supcon_tf.frameworks.backends import tf


def replica_context():
    """The context of a step on one of several replicas, else None.

    It is also None while Keras builds a model, which happens in no replica, and
    on other backends than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        return None
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return None
    return context


def num_replicas():
    """The number of replicas that run this step; 1 outside of a step."""
    if own_axis() is not None:
        return sum_over_replicas(1)
    context = replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def concat_over_replicas(x):
    """The parts of all replicas, one after the other, on every replica.

    Gradients flow back to the replica that each part is from. The parts may
    differ in size, except on a TPU.

    Args:
      x: `[b, ...]`, the replica's part.

    Returns:
      `[B, ...]`, the same on all replicas.

    Example:
      >>> concat_over_replicas(tf.ones((4, 2))).shape  # on one replica
      TensorShape([4, 2])
    """
    if (axis := own_axis()) is not None:
        import jax

        return jax.lax.all_gather(x, axis, tiled=True)
    context = replica_context()
    if context is None:
        return x
    if x.dtype == tf.int64:  # a TPU sums int32, not int64
        halves = concat_over_replicas(tf.bitcast(x, tf.int32))
        return tf.bitcast(halves, tf.int64)
    # all_gather needs a tensor with a device, which an input of the step lacks.
    parts = context.all_gather(tf.identity(x), axis=0)
    return tf.ensure_shape(parts, [None, *x.shape[1:]])


def sum_over_replicas(x):
    """The sum of a value over all replicas, on every replica.

    Args:
      x: tensor or number, or a list of them.

    Returns:
      A tensor, or a list of tensors; `x` itself on one replica.

    Example:
      >>> sum_over_replicas(3)  # on one replica
      3
    """
    if (axis := own_axis()) is not None:
        import jax

        return jax.lax.psum(x, axis)  # an int of Python stays one
    context = replica_context()
    if context is None:
        return x
    # Eagerly, sizes are Python's ints.
    x = tf.nest.map_structure(tf.convert_to_tensor, x)
    return context.all_reduce("SUM", x)


def first_row(size):
    """The row where a replica's part begins in `concat_over_replicas`.

    `size` is the number of rows of the part, an int or integer tensor. Parts
    may differ in size, so this is no multiple of `size`. It is 0 on one
    replica.
    """
    if (axis := own_axis()) is not None:
        import jax

        return jax.lax.axis_index(axis) * size
    context = replica_context()
    if context is None:
        return 0
    sizes = concat_over_replicas(tf.reshape(size, (1,)))  # [R]
    is_before = tf.range(context.num_replicas_in_sync) < (
        context.replica_id_in_sync_group
    )
    return tf.reduce_sum(tf.where(is_before, sizes, 0))


def part_of_sum(part, whole):
    """A replica's part of a sum over replicas, with an equal share as value.

    Keras adds up the gradients of the replicas' losses. For their values it
    takes the mean of R times each value, weighted by the replicas' images. That
    is the sum only if all replicas have the same value.

    Args:
      part: scalar, whose gradient is taken.
      whole: scalar, the sum of the parts of all replicas.

    Returns:
      Scalar of the value `whole / R`.

    Example:
      >>> part_of_sum(2.0, 2.0)  # on one replica
      2.0
    """
    if num_replicas() == 1:
        return part
    return part + tf.stop_gradient(whole / num_replicas() - part)
