"""The large-margin softmax loss in its additive form, on cosines."""

from typing import Any

import keras


@keras.saving.register_keras_serializable("supcon_tf")
class AdditiveMarginLoss(keras.losses.Loss):
    """Large-margin softmax loss: the true class must win by a margin.

    It has the additive form (AM-softmax, CosFace). For cosines c and a one-hot
    y

        loss = cross-entropy(y, softmax(scale * (c - margin * y)))

    The paper compares with the "large-margin softmax" of Liu et al. 2016, whose
    margin multiplies the angle. That form converges only with an annealed
    mixture, which the additive form does not need.

    Args:
      margin: float in [0, 2), by how much the cosine of the true class must
        exceed the others.
      scale: float > 0, the inverse temperature of the softmax.
      reduction: as for any Keras loss.
      name: name of the loss.
      dtype: dtype of the computation, as for any Keras loss.

    Call arguments:
      y_true: `[..., C]` one-hot, or shares of classes that sum to 1.
      y_pred: `[..., C]` cosines in [-1, 1].

    Raises:
      ValueError: if an argument is out of its range.

    Example:
      >>> loss = AdditiveMarginLoss()
      >>> round(float(loss(np.eye(2), np.array([[0.6, 0.1], [0.1, 0.6]]))), 3)
      0.011
      >>> model = ClassificationModel(encoder, num_classes=10, cosine=True)
      >>> model.compile(optimizer="sgd", loss=loss)

    References:
      Wang et al. 2018, "CosFace", arXiv 1801.09414, Eq. 4, and "Additive
      Margin Softmax", arXiv 1801.05599, whose 0.35 and 30 are the defaults.
    """

    def __init__(
        self,
        margin: float = 0.35,
        scale: float = 30.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "additive_margin_loss",
        dtype: Any = None,
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
        """The loss of each row: `[..., C]` and `[..., C]` -> `[...]`."""
        return keras.losses.categorical_crossentropy(
            y_true, self.scale * (y_pred - self.margin * y_true), True
        )

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "margin": self.margin,
            "scale": self.scale,
        }
