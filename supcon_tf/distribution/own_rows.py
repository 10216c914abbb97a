"""How the devices of `keras.distribution` share a step's rows, on JAX.

XLA divides a network among the devices by itself, since each image passes it
alone. In a loss of pairs every device would compute all pairs. Here each of
them calls the loss with its own rows, as a replica of `tf.distribute` does, and
`collectives` brings it the rows of the others.
"""

import keras

from supcon_tf.frameworks.backends import backend


def mesh_for(rows):
    """The devices that share the rows of a step, or None if they do not.

    They do in a step of JAX, compiled or differentiated, under a
    `keras.distribution` of several devices whose number divides the rows.

    Args:
      rows: tensor `[B, ...]`.

    Returns:
      A `jax.sharding.Mesh`, or None.

    Raises:
      ValueError: if JAX is older than 0.6.1, which has no `jax.shard_map`.
    """
    distribution = _distribution()
    if distribution is None or own_axis() is not None:
        return None
    import jax

    mesh = distribution.device_mesh.backend_mesh
    count = mesh.shape[distribution.batch_dim_name]
    if (
        count == 1
        or not isinstance(rows, jax.core.Tracer)
        or rows.shape[0] % count
    ):
        return None
    if not hasattr(jax, "shard_map"):
        raise ValueError(
            "A loss of pairs on several devices must have jax >= 0.6.1. "
            f"Received: jax {jax.__version__}"
        )
    return mesh


def over_own_rows(function, mesh, rows, shared):
    """Calls a function on each device with that device's own rows.

    Args:
      function: function `(rows, shared)` of what is given here, of which
        `rows` are the device's part. It returns a tensor with those rows.
        `collectives` works in it.
      mesh: from `mesh_for`.
      rows: tensors in lists, tuples and dicts; the devices get equal parts of
        their first axis, in order.
      shared: likewise; each device gets them whole.

    Returns:
      The tensor of all rows.
    """
    import jax

    parts = jax.sharding.PartitionSpec(_distribution().batch_dim_name)
    whole = jax.sharding.PartitionSpec()
    # JAX cannot follow which values are the same on all devices through a loop
    # whose state starts from zeros.
    return jax.shard_map(
        function,
        mesh=mesh,
        in_specs=(parts, whole),
        out_specs=parts,
        check_vma=False,
    )(rows, shared)


def own_axis():
    """The name of the devices' axis within `over_own_rows`, else None."""
    distribution = _distribution()
    if distribution is None:
        return None
    import jax

    # A gradient is traced after the function has returned, so that only JAX
    # knows where it is.
    name = distribution.batch_dim_name
    axes = jax.sharding.get_abstract_mesh().manual_axes
    return name if name in axes else None


def devices_of_batch():
    """How many devices share a batch that this process gives to `fit`.

    It is 1 without a `keras.distribution`. With several processes each gives
    its own part of the batch to its own devices.

    Example:
      >>> devices_of_batch()
      1
    """
    distribution = _distribution()
    if distribution is None:
        return 1
    import jax

    mesh = distribution.device_mesh.backend_mesh
    count = mesh.shape[distribution.batch_dim_name]
    return max(1, count // jax.process_count())


def _distribution():
    """The `keras.distribution` of JAX that is set, or None."""
    return keras.distribution.distribution() if backend() == "jax" else None
