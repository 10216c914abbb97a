"""Balanced SupCon: each class counts once below the fraction bar."""

from typing import Any

import keras
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.errors import check_number
from supcon_tf.losses.anchor_loss import AnchorLoss
from supcon_tf.losses.equation import losses_of_anchors
from supcon_tf.losses.pairs.kinds import by_class
from supcon_tf.losses.pairs.positives import of_groups
from supcon_tf.losses.pairs.terms import Kinds


@keras.saving.register_keras_serializable("supcon_tf")
class BalancedSupConLoss(AnchorLoss):
    """Supervised contrastive loss for classes of unequal size.

    Below the fraction bar stands the mean over each class, not the sum, so that
    a large class does not outweigh the small ones:

        loss_i = mean_{p in P(i)} -log(exp(s_ip) / sum_{a != i} v_ia exp(s_ia))
        v_ia   = 1 / (number of contrasts of i that are of the class of a)^power

    with s_ij = z_i.z_j / t. With power 0 it is SupCon. Balanced contrastive
    learning (BCL) has power 1, and in addition one trained prototype of each
    class among the contrasts, which this loss has not.

    Args:
      temperature: float `t` >= 1e-6, or a scalar tensor. The default is 0.1, as
        in the paper's class.
      power: float >= 0. The default is 1.
      name: name of the loss.
      **options: as for `AnchorLoss`: `anchors`, `unlabeled_label`,
        `implementation`, `reduction` and `dtype`.

    Call arguments:
      y_true: labels as for `supcon_loss`.
      y_pred: `[B, V, D]` or `[B, D]` floats.
      sample_weight: optional `[B]` weights of the images.
      queue: as for `supcon_loss`. Its projections count in their classes.

    Raises:
      ValueError: if an argument is not one of the above.

    Example:
      >>> loss = BalancedSupConLoss()
      >>> loss([0, 1, 0, 0], keras.random.normal((4, 2, 128))).shape
      TensorShape([])

    Reference:
      Zhu et al., "Balanced Contrastive Learning for Long-Tailed Visual
      Recognition", CVPR 2022, https://arxiv.org/abs/2207.09052, Eq. 3.
    """

    also_takes = ("temperature", "extra_similarities")

    def __init__(
        self,
        temperature: ArrayLike = 0.1,
        *,
        power: float = 1.0,
        name: str | None = "balanced_supcon_loss",
        **options: Any,
    ):
        super().__init__(temperature, name=name, **options)
        check_number("power", power, at_least=0)
        self.power = power

    def losses_of_anchors(self, contrasts, *, in_tiles):
        """The loss of each anchor, `[M]`."""
        return losses_of_anchors(
            contrasts, _balanced(contrasts, self.power), in_tiles=in_tiles
        )

    def get_config(self):
        """Returns every argument of the constructor."""
        return {**super().get_config(), "power": self.power}


def _balanced(contrasts, power):
    """The `Kinds` of equal classes, with `"contrast"`, the weights v."""
    kinds = by_class(contrasts)
    number = ops.shape(contrasts.vectors)[0]
    sizes = of_groups(contrasts.counted, contrasts.classes, number)[:, None]
    # An anchor is no contrast of its own.
    of_class = ops.maximum(sizes - 1, 1.0) ** -power
    of_others = ops.maximum(sizes, 1.0) ** -power

    def weigh(rows, columns):
        weights = kinds.weigh(rows, columns)
        of_contrasts = ops.where(
            weights["positive"],
            ops.transpose(columns["of_class"]),
            ops.transpose(columns["of_others"]),
        )
        return weights | {"contrast": of_contrasts}

    def apart(rows, columns):
        weights = kinds.apart(rows, columns)
        return weights | {"contrast": ops.transpose(columns["of_others"])}

    return Kinds(
        kinds.features | {"of_class": of_class, "of_others": of_others},
        weigh,
        is_symmetric=False,
        contrasts="contrast",
        known=kinds.known,
        group=kinds.group,
        apart=apart,
    )
