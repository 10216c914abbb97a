"""Alignment and uniformity as a loss, without a softmax."""

from typing import Any

import keras
from keras import ops

from supcon_tf.distribution.collectives import concat_over_replicas
from supcon_tf.errors import check_number
from supcon_tf.losses.anchor_loss import AnchorLoss
from supcon_tf.losses.cross_view import refuse_queue
from supcon_tf.losses.multi_view import same_views
from supcon_tf.losses.pairs.sums import sums_over_pairs
from supcon_tf.losses.pairs.terms import Exps
from supcon_tf.losses.pairs.views import similarities_of_views


@keras.saving.register_keras_serializable("supcon_tf")
class AlignmentUniformityLoss(AnchorLoss):
    """Views of an image are drawn together, and all images are spread out.

        loss_i = weights[0] mean_{a < b} |z_ia - z_ib|^alpha
                 + weights[1] mean_a log mean_{j != k} exp(-t |z_ja - z_ka|^2)

    The second part is the same for all images of the batch. It is computed for
    each view number by itself. Labels are not used.

    Args:
      alpha: float > 0. The default is 2, as in the paper.
      t: float > 0. The default is 2, as in the paper.
      weights: pair of floats >= 0, of alignment and uniformity.
      name: name of the loss.
      **options: as for `AnchorLoss`: `implementation`, `reduction` and `dtype`.

    Call arguments:
      y_true: not used.
      y_pred: `[B, V, D]` floats, V >= 2.
      sample_weight: optional `[B]` weights of the images.

    Raises:
      ValueError: if an argument is not one of the above; if there is one view
        only, or a queue, whose projections have no view.

    Example:
      >>> loss = AlignmentUniformityLoss()
      >>> loss(None, keras.random.normal((8, 2, 128))).shape
      TensorShape([])

    Reference:
      Wang & Isola, "Understanding Contrastive Representation Learning through
      Alignment and Uniformity on the Hypersphere", ICML 2020,
      https://arxiv.org/abs/2005.10242
    """

    also_takes = ()

    def __init__(
        self,
        alpha: float = 2.0,
        t: float = 2.0,
        weights: tuple[float, float] = (1.0, 1.0),
        *,
        name: str | None = "alignment_uniformity_loss",
        **options: Any,
    ):
        check_number("t", t, above=0)
        # The similarities are 2 t z_i.z_j.
        super().__init__(1 / (2 * t), name=name, **options)
        check_number("alpha", alpha, above=0)
        if len(weights) != 2:
            raise ValueError(
                "`weights` must be a pair, of alignment and uniformity. "
                f"Received: weights={weights!r}"
            )
        for weight in weights:
            check_number("weights", weight, at_least=0)
        self.alpha = alpha
        self.t = t
        self.weights = tuple(weights)

    def losses_of_images(self, labels, projections, queue=None):
        """The loss of each image, `[B]`."""
        del labels
        refuse_queue(self, queue)
        if projections.shape[1] < 2:
            raise ValueError(
                "AlignmentUniformityLoss must be given two or more views of "
                f"each image. Received: {projections.shape[1]}"
            )
        return super().losses_of_images(None, projections)

    def losses_of_anchors(self, contrasts, *, in_tiles):
        """The loss of each image, once for each of its views, `[n]`."""
        views = contrasts.views
        _, cosines = similarities_of_views(contrasts)  # [b, V, V]
        pairs = [a * views + b for a in range(views) for b in range(a)]
        cosines = ops.reshape(cosines, (-1, views * views))
        squares = 2 - 2 * ops.take(cosines, pairs, axis=1)
        alignment = ops.mean(_power(squares, self.alpha / 2), axis=1)

        (log_sums,) = sums_over_pairs(
            contrasts,
            [Exps("same_view")],
            same_views(contrasts),
            in_tiles=in_tiles,
        )
        of_all = concat_over_replicas(ops.reshape(log_sums, (-1, views)))
        images = ops.cast(ops.shape(of_all)[0], log_sums.dtype)
        ordered_pairs = ops.maximum(images * (images - 1), 1)
        uniformity = ops.logsumexp(of_all, axis=0) - ops.log(ordered_pairs)
        uniformity = ops.mean(uniformity) - 2 * self.t
        uniformity = ops.where(images > 1, uniformity, 0.0)
        of_alignment, of_uniformity = self.weights
        losses = of_alignment * alignment + of_uniformity * uniformity
        return ops.repeat(losses, views)

    def get_config(self):
        """Returns every argument of the constructor."""
        config = {
            **super().get_config(),
            "alpha": self.alpha,
            "t": self.t,
            "weights": self.weights,
        }
        for name in ("temperature", "anchors", "unlabeled_label"):
            del config[name]
        return config


def _power(squares, exponent):
    """Squares to a power, with the slope 0 at 0."""
    if exponent == 1:
        return squares
    is_zero = squares <= 0
    powers = ops.power(ops.where(is_zero, 1.0, squares), exponent)
    return ops.where(is_zero, 0.0, powers)
