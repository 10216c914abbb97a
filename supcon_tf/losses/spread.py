"""The spread loss, which keeps a class from collapsing to one point."""

import dataclasses
from typing import Any

import keras
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.errors import check_number
from supcon_tf.losses.anchor_loss import AnchorLoss
from supcon_tf.losses.cross_view import refuse_queue
from supcon_tf.losses.equation import losses_of_anchors
from supcon_tf.losses.pairs.terms import Kinds


@keras.saving.register_keras_serializable("supcon_tf")
class SpreadLoss(AnchorLoss):
    """SINCERE, and beside it InfoNCE within each class.

    The first part draws a class together. The second tells the images of a
    class apart. Both compare an anchor with the other views alone:

        loss_i   = alpha attract_i + (1 - alpha) repel_i
        attract_i = mean_{p in P(i)} -log(exp(s_ip) / (exp(s_ip)
                                            + sum_{n in N(i)} exp(s_in)))
        repel_i  = mean_{p of i's image} -log(exp(s_ip)
                                        / sum_{a of i's class} exp(s_ia))

    with s_ij = z_i.z_j / t. The authors' code takes one direction, from the
    later view to the earlier, and caps the s of positives at 1; this loss is
    the mean of both directions, without a cap.

    Args:
      alpha: float in [0, 1]. The default is 0.5.
      temperature: float `t` >= 1e-6, or a scalar tensor. The default is 0.5.
      name: name of the loss.
      **options: as for `AnchorLoss`: `anchors`, `unlabeled_label`,
        `implementation`, `reduction` and `dtype`.

    Call arguments:
      y_true: labels as for `supcon_loss`.
      y_pred: `[B, V, D]` floats, V >= 2. An anchor without a positive in
        another view has the loss 0.
      sample_weight: optional `[B]` weights of the images.

    Raises:
      ValueError: if an argument is not one of the above, or if there is a
        queue, whose projections have no view.

    Example:
      >>> loss = SpreadLoss()
      >>> loss([0, 1, 0], keras.random.normal((3, 2, 128))).shape
      TensorShape([])

    Reference:
      Chen et al., "Perfectly Balanced: Improving Transfer and Robustness of
      Supervised Contrastive Learning", ICML 2022,
      https://arxiv.org/abs/2204.07596
    """

    def __init__(
        self,
        alpha: float = 0.5,
        temperature: ArrayLike = 0.5,
        *,
        name: str | None = "spread_loss",
        **options: Any,
    ):
        super().__init__(temperature, name=name, **options)
        check_number("alpha", alpha, at_least=0)
        if alpha > 1:
            raise ValueError(
                f"`alpha` must be in [0, 1]. Received: alpha={alpha}"
            )
        self.alpha = alpha

    def losses_of_images(self, labels, projections, queue=None, **more):
        """The loss of each image, `[B]`."""
        refuse_queue(self, queue)
        return super().losses_of_images(labels, projections, **more)

    def losses_of_anchors(self, contrasts, *, in_tiles):
        """The loss of each anchor, `[M]`."""
        of_classes = _across_views(contrasts)

        def weigh_images(rows, columns):
            kinds = of_classes.weigh(rows, columns)
            is_own = rows["images"] == ops.transpose(columns["images"])
            return {
                "positive": ops.logical_and(is_own, kinds["contrast"]),
                "contrast": kinds["positive"],
            }

        attract = losses_of_anchors(
            contrasts, of_classes, denominator="one_positive", in_tiles=in_tiles
        )
        repel = losses_of_anchors(
            contrasts,
            dataclasses.replace(of_classes, weigh=weigh_images),
            in_tiles=in_tiles,
        )
        return self.alpha * attract + (1 - self.alpha) * repel

    def get_config(self):
        """Returns every argument of the constructor."""
        return {**super().get_config(), "alpha": self.alpha}


def _across_views(contrasts):
    """The `Kinds` of equal classes, of pairs of different views."""

    def weigh(rows, columns):
        is_other = rows["views"] != ops.transpose(columns["views"])
        same = rows["classes"] == ops.transpose(columns["classes"])
        negative = ops.logical_and(ops.logical_not(same), is_other)
        return {
            "positive": ops.logical_and(same, is_other),
            "negative": negative,
            "is_negative": negative,
            "contrast": is_other,
        }

    return Kinds(
        {
            "classes": contrasts.classes[:, None],
            "images": contrasts.images,
            "views": contrasts.view_numbers,
        },
        weigh,
        contrasts="contrast",
    )
