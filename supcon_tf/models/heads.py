"""Layers that are put on an encoder: the projection head, and cosine scores."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from supcon_tf.losses.pairs.projections import unit_length


@keras.saving.register_keras_serializable("supcon_tf")
class ProjectionHead(layers.Layer):
    """Projection head of Sec. 3.1 of the paper: representation -> projection.

    It is a stack of dense layers with ReLU between them. The last one is linear
    and has no bias, as in the official code, and its output is scaled to unit
    length. The head is only used in pretraining. A classifier is trained on the
    representation before it.

    Args:
      units: positive ints, the width of each dense layer. The last one is the
        projection dim D. The default `(2048, 128)` is that of the paper;
        `(128,)` is one linear layer.
      batch_norm: whether a BatchNormalization follows each hidden dense layer
        (SimCLR's head).

    Call arguments:
      representations: `[B, R]` floats.

    Returns:
      `[B, D]` projections of unit length, float32 (float64 stays float64).

    Raises:
      ValueError: if `units` is empty or not positive.

    Example:
      >>> head = ProjectionHead(units=(64, 16))
      >>> head(np.ones((8, 32))).shape
      TensorShape([8, 16])

    Reference:
      Khosla et al. 2020, Sec. 3.1; batch_norm: Chen et al. 2020 (SimCLR).
    """

    def __init__(
        self,
        units: Sequence[int] = (2048, 128),
        batch_norm: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        units = tuple(units)
        if not units or not all(isinstance(u, int) and u > 0 for u in units):
            raise ValueError(
                f"`units` must be one or more ints > 0. Received: units={units}"
            )
        self.units = units
        self.batch_norm = batch_norm
        self._stack = []
        for index, width in enumerate(units[:-1]):
            self._stack.append(
                layers.Dense(
                    width,
                    use_bias=not batch_norm,
                    dtype=self.dtype_policy,
                    name=f"dense_{index}",
                )
            )
            if batch_norm:
                self._stack.append(
                    layers.BatchNormalization(
                        momentum=0.9,
                        epsilon=1e-5,
                        dtype=self.dtype_policy,
                        name=f"bn_{index}",
                    )
                )
            self._stack.append(
                layers.ReLU(dtype=self.dtype_policy, name=f"relu_{index}")
            )
        self._stack.append(
            layers.Dense(
                units[-1],
                use_bias=False,
                dtype=self.dtype_policy,
                name="projection",
            )
        )

    def build(self, input_shape):
        """Creates the weights for representations of `input_shape`."""
        for layer in self._stack:
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)
        self.built = True

    def call(self, representations, training=None):
        """Projects representations: `[B, R]` -> `[B, D]`."""
        x = representations
        for layer in self._stack:
            x = layer(x, training=training)
        is_double = self.compute_dtype == "float64"
        return unit_length(ops.cast(x, "float64" if is_double else "float32"))

    def compute_output_shape(self, input_shape):
        """The shape of the projections: `(B, R)` -> `(B, D)`."""
        return (*input_shape[:-1], self.units[-1])

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "units": self.units,
            "batch_norm": self.batch_norm,
        }


@keras.saving.register_keras_serializable("supcon_tf")
class CosineSimilarities(layers.Layer):
    """Cosines between representations and one learnt vector for each class.

    Args:
      num_classes: int >= 1, C.

    Call arguments:
      representations: `[B, R]` floats.

    Returns:
      `[B, C]` float32 (float64 stays) in [-1, 1].

    Example:
      >>> CosineSimilarities(10)(np.ones((8, 32))).shape
      TensorShape([8, 10])
    """

    def __init__(self, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def build(self, input_shape):
        """Creates the vectors of the classes, `[R, C]`."""
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.num_classes), name="kernel"
        )
        self.built = True

    def call(self, representations):
        """Computes the cosines: `[B, R]` -> `[B, C]`."""
        vectors = unit_length(ops.transpose(self.kernel))  # [C, R]
        return ops.matmul(unit_length(representations), ops.transpose(vectors))

    def compute_output_shape(self, input_shape):
        """The shape of the cosines: `(B, R)` -> `(B, C)`."""
        return (*input_shape[:-1], self.num_classes)

    def get_config(self):
        """Returns every argument of the constructor."""
        return {**super().get_config(), "num_classes": self.num_classes}
