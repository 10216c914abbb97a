"""LabelledQueue: projections of earlier batches, as more contrasts."""

import keras
from keras import ops

from supcon_tf.errors import check_int


@keras.saving.register_keras_serializable("supcon_tf")
class LabelledQueue(keras.layers.Layer):
    """The newest projections of past batches, with their labels.

    With a queue a small batch has as many contrasts as a large one. Khosla et
    al. report 79.1 % top-1 on ImageNet for a ResNet-50 trained with batches of
    256 and a memory of 8192.

    The queue starts empty, all its shapes are fixed, and it is saved with the
    model that it belongs to. On several replicas each one must put in the same
    values, those of all replicas, so that all hold the same queue.

    Args:
      size: int Q >= 1, the number of projections it can hold.
      dim: int D >= 1, the dimension of the projections.

    Raises:
      ValueError: if `size` or `dim` is not a positive int.

    Example:
      >>> queue = LabelledQueue(size=8192, dim=128)
      >>> queue.enqueue([3, 1], np.ones((2, 128)))
      >>> ids, projections, is_filled = queue.items()
      >>> int(ops.sum(ops.cast(is_filled, "int32")))
      2

    References:
      Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020; Wang et
      al., "Cross-Batch Memory for Embedding Learning", CVPR 2020,
      https://arxiv.org/abs/1912.06798
    """

    def __init__(self, size, dim, **kwargs):
        super().__init__(**kwargs)
        check_int("size", size, 1)
        check_int("dim", dim, 1)
        self.size = size
        self.dim = dim

        def variable(name, shape, dtype):
            return self.add_weight(
                name=name,
                shape=shape,
                dtype=dtype,
                initializer="zeros",
                trainable=False,
                autocast=False,
                aggregation="only_first_replica",
            )

        # "int" has 64 bits on TensorFlow and 32 on other backends.
        self._ids = variable("ids", (size,), "int")
        self._projections = variable("projections", (size, dim), "float32")
        self._count = variable("count", (), "int")

    def items(self):
        """The contents of the queue, newest first.

        Returns:
          `[Q]` int64 ids (int32 on other backends than TensorFlow), `[Q, D]`
          float32 projections, and `[Q]` bool, whether a row is filled. The ids
          have no meaning where a row is not filled, or where no ids were given.
        """
        # stop_gradient returns the current values, not the variables.
        return (
            ops.stop_gradient(self._ids),
            ops.stop_gradient(self._projections),
            ops.arange(self.size, dtype=self._count.dtype) < self._count,
        )

    def enqueue(self, ids, projections):
        """Puts a batch in front, and drops what is then beyond Q.

        Args:
          ids: `[n]` integers, or None where there are no labels.
          projections: `[n, D]` floats; n may be 0, larger than Q, or unknown.

        Raises:
          ValueError: if the shapes are not these.
        """
        projections = ops.stop_gradient(
            ops.convert_to_tensor(projections, "float32")
        )
        count = ops.shape(projections)[0]
        if ids is None:
            ids = ops.full((count,), -1, dtype=self._ids.dtype)
        ids = ops.convert_to_tensor(ids, self._ids.dtype)
        if (
            len(projections.shape) != 2
            or projections.shape[1] not in (None, self.dim)
            or len(ids.shape) != 1
            or len({*ids.shape, projections.shape[0]} - {None}) > 1
        ):
            raise ValueError(
                f"`ids` and `projections` must have shapes [n] and "
                f"[n, {self.dim}]. Received: {tuple(ids.shape)} and "
                f"{tuple(projections.shape)}"
            )
        for held, new in ((self._ids, ids), (self._projections, projections)):
            both = ops.concatenate([new, ops.stop_gradient(held)])
            held.assign(ops.reshape(both[: self.size], held.shape))
        filled = self._count + ops.cast(count, self._count.dtype)
        self._count.assign(ops.minimum(filled, self.size))

    def get_config(self):
        """Returns every argument of the constructor."""
        return {**super().get_config(), "size": self.size, "dim": self.dim}
