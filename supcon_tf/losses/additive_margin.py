"""Large-margin softmax, in its additive form: the cosines and the loss."""

import keras


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
