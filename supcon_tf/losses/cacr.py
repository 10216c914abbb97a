"""CACR: contrastive attraction and contrastive repulsion."""

from typing import Any

import keras
from keras import ops

from supcon_tf.errors import check_number
from supcon_tf.losses.anchor_loss import AnchorLoss
from supcon_tf.losses.arguments import check_flags
from supcon_tf.losses.cross_view import refuse_queue
from supcon_tf.losses.pairs.sums import sums_and_curve
from supcon_tf.losses.pairs.terms import Curve, Exps, Kinds
from supcon_tf.losses.pairs.views import similarities_of_views


@keras.saving.register_keras_serializable("supcon_tf")
class CACRLoss(AnchorLoss):
    """Far positives attract more, and near negatives repel more.

    With squared distances d_ij = |z_i - z_j|^2,

        loss_i = alpha sum_p softmax_p(t_positive d_ip) d_ip
                 - beta sum_n softmax_n(-t_negative d_in) d_in

    The positives of an anchor are the other views of its image. The negatives
    are the other images in one later view at a time, and the second part is the
    mean over these views. Labels are not used.

    Args:
      alpha: float >= 0. The default is 1.
      beta: float >= 0. The default is 1.
      t_positive: float > 0. The default is 1.
      t_negative: float > 0. The default is 1.
      weights_have_gradient: whether the softmax weights have a gradient, as in
        the authors' code for small images (default). In that for ImageNet they
        have none.
      name: name of the loss.
      **options: as for `AnchorLoss`: `implementation`, `reduction` and `dtype`.

    Call arguments:
      y_true: not used.
      y_pred: `[B, V, D]` floats, V >= 2. The paper has 4 positives, V = 5.
      sample_weight: optional `[B]` weights of the images.

    Raises:
      ValueError: if an argument is not one of the above; if there is one view
        only, or a queue, whose projections have no view.

    Example:
      >>> loss = CACRLoss()
      >>> loss(None, keras.random.normal((8, 3, 128))).shape
      TensorShape([])

    Reference:
      Zheng et al., "Contrastive Attraction and Contrastive Repulsion for
      Representation Learning", TMLR 2023, https://arxiv.org/abs/2105.03746
    """

    also_takes = ()

    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 1.0,
        *,
        t_positive: float = 1.0,
        t_negative: float = 1.0,
        weights_have_gradient: bool = True,
        name: str | None = "cacr_loss",
        **options: Any,
    ):
        check_number("t_negative", t_negative, above=0)
        # -t d = 2 t s - 2 t: the similarities are 2 t s.
        super().__init__(1 / (2 * t_negative), name=name, **options)
        check_number("alpha", alpha, at_least=0)
        check_number("beta", beta, at_least=0)
        check_number("t_positive", t_positive, above=0)
        check_flags(weights_have_gradient=weights_have_gradient)
        self.alpha = alpha
        self.beta = beta
        self.t_positive = t_positive
        self.t_negative = t_negative
        self.weights_have_gradient = weights_have_gradient

    def losses_of_images(self, labels, projections, queue=None):
        """The loss of each image, `[B]`."""
        del labels
        refuse_queue(self, queue)
        if projections.shape[1] < 2:
            raise ValueError(
                "CACRLoss must be given two or more views of each image. "
                f"Received: {projections.shape[1]}"
            )
        return super().losses_of_images(None, projections)

    def losses_of_anchors(self, contrasts, *, in_tiles):
        """The loss of each image, once for each of its views, `[n]`."""
        attraction = ops.mean(self._attraction(contrasts), axis=1)
        views = contrasts.views
        repulsion = [
            self._repulsion(contrasts, view, in_tiles)
            for view in range(1, views)
        ]
        repulsion = sum(repulsion) / (views * (views - 1) / 2)
        return ops.repeat(
            self.alpha * attraction + self.beta * repulsion, views
        )

    def get_config(self):
        """Returns every argument of the constructor."""
        config = {
            **super().get_config(),
            "alpha": self.alpha,
            "beta": self.beta,
            "t_positive": self.t_positive,
            "t_negative": self.t_negative,
            "weights_have_gradient": self.weights_have_gradient,
        }
        for name in ("temperature", "anchors", "unlabeled_label"):
            del config[name]
        return config

    def _attraction(self, contrasts):
        """The weighted mean of the positives' distances, `[b, V]`."""
        _, cosines = similarities_of_views(contrasts)
        distances = 2 - 2 * cosines  # [b, V, V]
        is_self = ops.eye(contrasts.views, dtype="bool")
        exponents = self.t_positive * distances
        weights = ops.softmax(ops.where(is_self, -1e30, exponents), axis=2)
        if not self.weights_have_gradient:
            weights = ops.stop_gradient(weights)
        return ops.sum(weights * distances, axis=2)

    def _repulsion(self, contrasts, view, in_tiles):
        """Minus the weighted means of the negatives' distances, summed, `[b]`.

        The negatives are in one view, and the anchors are in earlier ones.
        """
        (log_sums,), products = sums_and_curve(
            contrasts,
            [Exps("positive")],
            _negatives_in(contrasts, view),
            _PRODUCTS,
            _offsets,
            in_tiles=in_tiles,
        )
        views, t = contrasts.views, self.t_negative
        has_any = ops.shape(contrasts.vectors)[0] > views
        distances = 2 - (products + log_sums) / t
        if not self.weights_have_gradient:
            # This has the gradient of the mean distance for constant weights.
            soft_minimum = -log_sums / t
            distances = soft_minimum + ops.stop_gradient(
                distances - soft_minimum
            )
        distances = ops.reshape(distances, (-1, views))[:, :view]
        distances = ops.where(has_any, distances, ops.zeros_like(distances))
        return -ops.sum(distances, axis=1)


def _offsets(terms):
    """The log-sum-exps, 0 where there are no negatives; and no shifts."""
    (log_sums,) = terms
    zeros = ops.zeros_like(log_sums)
    return ops.where(log_sums > -1e30, log_sums, zeros), zeros


# p log p of log p = s - log sum exp(s): their sum is the mean of s under p,
# less the log-sum-exp.
_PRODUCTS = Curve(
    lambda x, _: ops.exp(x) * x,
    lambda x, _: ops.exp(x) * (1 + x),
    lambda exps, x, _: (exps * x, exps * (1 + x)),
)


def _negatives_in(contrasts, view):
    """`Kinds` with `"positive"`, other images in a view after the row's."""

    def weigh(rows, columns):
        is_other = rows["images"] != ops.transpose(columns["images"])
        is_earlier = rows["views"] < view
        is_in_view = ops.transpose(columns["views"]) == view
        is_pair = ops.logical_and(is_earlier, is_in_view)
        return {"positive": ops.logical_and(is_other, is_pair)}

    features = {"images": contrasts.images, "views": contrasts.view_numbers}
    return Kinds(features, weigh, is_symmetric=False)
