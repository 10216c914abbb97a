"""ConR, a contrastive regularizer of a regression."""

from typing import Any

import keras
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.errors import check_number
from supcon_tf.losses.anchor_loss import AnchorLoss
from supcon_tf.losses.equation import losses_of_anchors
from supcon_tf.losses.pairs.sums import sums_over_pairs
from supcon_tf.losses.pairs.terms import Kinds, Weights
from supcon_tf.losses.similarities import GaussianKernel, label_features


@keras.saving.register_keras_serializable("supcon_tf")
class ConRLoss(AnchorLoss):
    """Images whose targets differ although their predictions agree are parted.

    Positives have a target within `width` of the anchor's. Negatives have not,
    but their prediction is within `width` of the anchor's. They count more the
    further their target is; all other images do not count:

        loss_i = mean_{p in P(i)} -log(exp(s_ip) / (sum_{P(i)} exp(s_ia)
                          + sum_{N(i)} exp(slope |y_i - y_n|) exp(s_in)))

    with s_ij = z_i.z_j / t. An anchor without negatives has the loss 0. The
    authors add this loss, times 4, to that of the regression. This is the
    paper's equation; their code adds 1 below the bar for each image that is no
    positive.

    Args:
      width: float >= 0, in units of the targets. The default is 1.
      temperature: float `t` >= 1e-6, or a scalar tensor. The default is 0.07,
        as in the authors' code.
      slope: float >= 0. The default is 0.01.
      name: name of the loss.
      **options: as for `AnchorLoss`: `anchors`, `implementation`, `reduction`
        and `dtype`.

    Call arguments:
      y_true: `[B, 1 + V]` floats: the target of each image, then the model's
        prediction for each of its V views. They get no gradient.
      y_pred: `[B, V, D]` or `[B, D]` floats.
      sample_weight: optional `[B]` weights of the images.

    Raises:
      ValueError: if an argument is not one of the above, or if there is a
        queue, whose projections have no prediction.

    Example:
      >>> loss = ConRLoss(width=5.0)
      >>> targets = [[20.0, 21.0, 24.0], [35.0, 23.0, 30.0]]
      >>> loss(targets, keras.random.normal((2, 2, 128))).shape
      TensorShape([])

    Reference:
      Keramati et al., "ConR: Contrastive Regularizer for Deep Imbalanced
      Regression", ICLR 2024, https://arxiv.org/abs/2309.06651
    """

    def __init__(
        self,
        width: float = 1.0,
        temperature: ArrayLike = 0.07,
        *,
        slope: float = 0.01,
        name: str | None = "conr_loss",
        **options: Any,
    ):
        super().__init__(temperature, name=name, **options)
        check_number("width", width, at_least=0)
        check_number("slope", slope, at_least=0)
        self.width = width
        self.slope = slope

    def features_of(self, labels, batch):
        """The targets and predictions, `[B, 1 + V]`."""
        return label_features(GaussianKernel(1.0), labels, batch)

    def losses_of_images(self, labels, projections, queue=None, **more):
        """The loss of each image, `[B]`."""
        if queue is not None:
            raise ValueError(
                "ConRLoss must be used without a queue, whose projections have "
                "no prediction. Received: a queue"
            )
        views = projections.shape[1]
        shape = () if labels is None else tuple(ops.shape(labels))
        if len(shape) != 2 or shape[1] != 1 + views:
            raise ValueError(
                f"`labels` must have shape [B, {1 + views}] for ConRLoss, the "
                "target and the prediction for each view. "
                f"Received: shape={shape}"
            )
        return super().losses_of_images(labels, projections, **more)

    def losses_of_anchors(self, contrasts, *, in_tiles):
        """The loss of each anchor, `[M]`."""
        kinds = self._kinds(contrasts)
        losses = losses_of_anchors(contrasts, kinds, in_tiles=in_tiles)
        (negatives,) = sums_over_pairs(
            contrasts, [Weights("negative")], kinds, in_tiles=in_tiles
        )
        return ops.where(negatives > 0, losses, ops.zeros_like(losses))

    def get_config(self):
        """Returns every argument of the constructor."""
        config = {
            **super().get_config(),
            "width": self.width,
            "slope": self.slope,
        }
        del config["unlabeled_label"]
        return config

    def _kinds(self, contrasts):
        dtype = contrasts.vectors.dtype
        features = ops.cast(contrasts.features, dtype)
        numbers = ops.arange(contrasts.views, dtype="int32")
        is_view = contrasts.view_numbers == numbers
        predictions = ops.sum(
            ops.where(is_view, features[:, 1:], 0.0), axis=1, keepdims=True
        )

        def weigh(rows, columns):
            targets, predictions = (
                ops.abs(rows[name] - ops.transpose(columns[name]))
                for name in ("targets", "predictions")
            )
            positive = targets <= self.width
            negative = ops.logical_and(
                ops.logical_not(positive), predictions <= self.width
            )
            pushed = ops.where(negative, ops.exp(self.slope * targets), 0.0)
            return {
                "positive": positive,
                "negative": negative,
                "contrast": ops.where(positive, 1.0, pushed),
            }

        return Kinds(
            {"targets": features[:, :1], "predictions": predictions},
            weigh,
            contrasts="contrast",
        )
