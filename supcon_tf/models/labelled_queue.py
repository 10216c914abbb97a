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
      label_size: None, where a label is the id of a class; else int F >= 1, the
        number of columns of labels that are no classes, such as soft labels.
      label_dtype: dtype of such labels, `"float32"` or `"int"`. The latter
        keeps integers exact over 64 bits (32 on other backends than
        TensorFlow). Ids are always so.

    Raises:
      ValueError: if a size is not a positive int, or the dtype not one of them.

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

    def __init__(
        self, size, dim, *, label_size=None, label_dtype="float32", **kwargs
    ):
        super().__init__(**kwargs)
        check_int("size", size, 1)
        check_int("dim", dim, 1)
        if label_size is not None:
            check_int("label_size", label_size, 1)
        if label_dtype not in ("float32", "int"):
            raise ValueError(
                "`label_dtype` must be 'float32' or 'int'. "
                f"Received: label_dtype={label_dtype!r}"
            )
        self.size = size
        self.dim = dim
        self.label_size = label_size
        self.label_dtype = label_dtype

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
        if label_size is None:
            self._labels = variable("ids", (size,), "int")
        else:
            self._labels = variable("labels", (size, label_size), label_dtype)
        self._projections = variable("projections", (size, dim), "float32")
        self._count = variable("count", (), "int")

    def items(self):
        """The contents of the queue, newest first.

        Returns:
          `[Q]` int64 ids (int32 on other backends than TensorFlow) or `[Q, F]`
          labels, `[Q, D]` float32 projections, and `[Q]` bool, whether a row is
          filled. The labels have no meaning where a row is not filled, or where
          none were given.
        """
        # stop_gradient returns the current values, not the variables.
        return (
            ops.stop_gradient(self._labels),
            ops.stop_gradient(self._projections),
            ops.arange(self.size, dtype=self._count.dtype) < self._count,
        )

    def enqueue(self, labels, projections):
        """Puts a batch in front, and drops what is then beyond Q.

        Args:
          labels: `[n]` ids or `[n, F]` labels; None where there are none.
          projections: `[n, D]` floats; n may be 0, larger than Q, or unknown.

        Raises:
          ValueError: if the shapes are not these.
        """
        projections = ops.stop_gradient(
            ops.convert_to_tensor(projections, "float32")
        )
        count = ops.shape(projections)[0]
        columns = tuple(self._labels.shape[1:])
        if labels is None:
            labels = ops.full((count, *columns), -1, dtype=self._labels.dtype)
        labels = ops.convert_to_tensor(labels, self._labels.dtype)
        if (
            len(projections.shape) != 2
            or projections.shape[1] not in (None, self.dim)
            or len(labels.shape) != 1 + len(columns)
            or (columns and labels.shape[1] not in (None, *columns))
            or len({labels.shape[0], projections.shape[0]} - {None}) > 1
        ):
            raise ValueError(
                f"`labels` and `projections` must have shapes "
                f"[{', '.join(map(str, ('n', *columns)))}] and "
                f"[n, {self.dim}]. Received: {tuple(labels.shape)} and "
                f"{tuple(projections.shape)}"
            )
        parts = ((self._labels, labels), (self._projections, projections))
        for held, new in parts:
            both = ops.concatenate([new, ops.stop_gradient(held)])
            held.assign(ops.reshape(both[: self.size], held.shape))
        filled = self._count + ops.cast(count, self._count.dtype)
        self._count.assign(ops.minimum(filled, self.size))

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "size": self.size,
            "dim": self.dim,
            "label_size": self.label_size,
            "label_dtype": self.label_dtype,
        }
