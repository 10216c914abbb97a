"""Large-margin softmax, in its additive form: the cosines and the loss."""

import keras
from keras import layers, ops

from supcon_tf.losses.pairs.projections import unit_length


@keras.saving.register_keras_serializable("supcon_tf")
class CosineSimilarities(layers.Layer):
    """Cosines of representations with one learnt vector a class.

    Args:
      num_classes: int >= 1, C.

    Call arguments:
      representations: `[B, R]` floats.

    Returns:
      `[B, C]` float32 (float64 stays) in [-1, 1].

    Example:
      >>> CosineSimilarities(10)(keras.ops.ones((8, 32))).shape
      TensorShape([8, 10])
    """

    def __init__(self, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def build(self, input_shape):
        """Creates the vectors, `[R, C]`."""
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.num_classes), name="kernel"
        )
        self.built = True

    def call(self, representations):
        """`[B, R]` -> `[B, C]`."""
        vectors = unit_length(ops.transpose(self.kernel))  # [C, R]
        return ops.matmul(unit_length(representations), ops.transpose(vectors))

    def compute_output_shape(self, input_shape):
        """`(B, R)` -> `(B, C)`."""
        return (*input_shape[:-1], self.num_classes)

    def get_config(self):
        """Every argument of the constructor."""
        return {**super().get_config(), "num_classes": self.num_classes}


@keras.saving.register_keras_serializable("supcon_tf")
class AdditiveMarginLoss(keras.losses.Loss):
    """Large-margin softmax: the true class must win by a margin.

    In the additive form (AM-softmax, CosFace), on cosines c and a one-hot y:

        loss = cross-entropy(y, softmax(scale * (c - margin * y)))

    The paper compares with "large-margin softmax" (Liu et al. 2016), whose
    margin multiplies the angle; that needs an annealed mixture to converge at
    all, the additive form does not.

    Args:
      margin: float in [0, 2), in cosine.
      scale: float > 0, the inverse temperature of the softmax.

    Call arguments:
      y_true: `[..., C]` one-hot, or shares of classes that sum to 1.
      y_pred: `[..., C]` cosines in [-1, 1].

    Raises:
      ValueError: if an argument is out of its range.

    Example:
      >>> model = ClassificationModel(encoder, num_classes=10, cosine=True)
      >>> model.compile(optimizer="sgd", loss=AdditiveMarginLoss())

    References:
      Wang et al. 2018, "CosFace", arXiv 1801.09414, Eq. 4, and "Additive
      Margin Softmax", arXiv 1801.05599, whose 0.35 and 30 are the defaults.
    """

    def __init__(
        self,
        margin=0.35,
        scale=30.0,
        reduction="sum_over_batch_size",
        name="additive_margin_loss",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not 0 <= margin < 2:
            raise ValueError(
                f"`margin` must be in [0, 2). Received: margin={margin}"
            )
        if not scale > 0:
            raise ValueError(f"`scale` must be > 0. Received: scale={scale}")
        self.margin = margin
        self.scale = scale

    def call(self, y_true, y_pred):
        """`[..., C]`, `[..., C]` -> `[...]`."""
        return keras.losses.categorical_crossentropy(
            y_true, self.scale * (y_pred - self.margin * y_true), True
        )

    def get_config(self):
        """Every argument of the constructor."""
        return {
            **super().get_config(),
            "margin": self.margin,
            "scale": self.scale,
        }
