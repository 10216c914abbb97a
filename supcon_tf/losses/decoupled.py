"""Decoupled contrastive learning: no positives below the fraction bar."""

from typing import Any

import keras
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.distribution.collectives import concat_over_replicas
from supcon_tf.errors import check_number
from supcon_tf.losses.anchor_loss import AnchorLoss
from supcon_tf.losses.arguments import check_flags
from supcon_tf.losses.equation import losses_of_anchors
from supcon_tf.losses.pairs.kinds import by_class
from supcon_tf.losses.pairs.views import similarities_of_views


@keras.saving.register_keras_serializable("supcon_tf")
class DecoupledLoss(AnchorLoss):
    """DCL, its weighted form DCLW, and with labels its supervised form.

        loss_i = mean_{p in P(i)} -omega_ip s_ip
                 + log sum_{n in N(i)} exp(s_in)

    with s_ij = z_i.z_j / t. The loss may be negative. In DCL omega is 1. With a
    sigma it is that of DCLW, which counts a pair of views less the more alike
    they are already, compared with the pairs of all B images:

        omega = 2 - B softmax(z_i.z_p / sigma)

    With labels the positives are all of the class, and sigma must be None.

    Args:
      temperature: float `t` >= 1e-6, or a scalar tensor. The default is 0.1, as
        in the paper.
      sigma: None, or a float > 0. The paper has 0.5.
      weights_have_gradient: whether omega has a gradient, as in the authors'
        code (default). In lightly it has none.
      name: name of the loss.
      **options: as for `AnchorLoss`: `anchors`, `unlabeled_label`,
        `implementation`, `reduction` and `dtype`.

    Call arguments:
      y_true: None, or labels as for `supcon_loss`.
      y_pred: `[B, V, D]` or `[B, D]` floats; with a sigma V >= 2.
      sample_weight: optional `[B]` weights of the images.
      queue: as for `supcon_loss`.

    Raises:
      ValueError: if an argument is not one of the above, or if there are labels
        and a sigma.

    Example:
      >>> loss = DecoupledLoss(sigma=0.5)
      >>> loss(None, keras.random.normal((8, 2, 128))).shape
      TensorShape([])

    Reference:
      Yeh et al., "Decoupled Contrastive Learning", ECCV 2022,
      https://arxiv.org/abs/2110.06848
    """

    also_takes = ("temperature", "extra_similarities")

    def __init__(
        self,
        temperature: ArrayLike = 0.1,
        *,
        sigma: float | None = None,
        weights_have_gradient: bool = True,
        name: str | None = "decoupled_loss",
        **options: Any,
    ):
        super().__init__(temperature, name=name, **options)
        if sigma is not None:
            check_number("sigma", sigma, above=0)
        check_flags(weights_have_gradient=weights_have_gradient)
        self.sigma = sigma
        self.weights_have_gradient = weights_have_gradient

    def losses_of_images(self, labels, projections, **more):
        """The loss of each image, `[B]`."""
        if self.sigma is not None and (
            labels is not None or projections.shape[1] < 2
        ):
            raise ValueError(
                "`sigma` must be None unless there are two or more views and "
                f"no labels. Received: sigma={self.sigma}, "
                f"{projections.shape[1]} views, "
                f"{'no labels' if labels is None else 'labels'}"
            )
        return super().losses_of_images(labels, projections, **more)

    def losses_of_anchors(self, contrasts, *, in_tiles):
        """The loss of each anchor, `[M]`."""
        losses = losses_of_anchors(
            contrasts,
            by_class(contrasts),
            denominator="only_negatives",
            in_tiles=in_tiles,
        )
        if self.sigma is None:
            return losses
        return losses + _change_by_weights(
            contrasts, self.sigma, self.weights_have_gradient
        )

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "sigma": self.sigma,
            "weights_have_gradient": self.weights_have_gradient,
        }


def _change_by_weights(contrasts, sigma, weights_have_gradient):
    """The mean of (1 - omega_ip) s_ip over the own views of an anchor, `[M]`.

    It turns the -s_ip of DCL into the -omega_ip s_ip of DCLW.
    """
    similarities, cosines = similarities_of_views(contrasts)  # [b, V, V]
    views = contrasts.views
    exponents = cosines / sigma
    of_all = concat_over_replicas(exponents)  # [B, V, V]
    images = ops.cast(ops.shape(of_all)[0], exponents.dtype)
    log_sums = ops.logsumexp(of_all, axis=0)
    omega = 2 - images * ops.exp(exponents - log_sums)
    if not weights_have_gradient:
        omega = ops.stop_gradient(omega)
    is_other = 1 - ops.eye(views, dtype=exponents.dtype)
    change = ops.sum((1 - omega) * similarities * is_other, axis=2)
    return ops.reshape(change / (views - 1), (-1,))[:: contrasts.stride]
