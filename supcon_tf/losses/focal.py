"""Focal SupCon, which counts positives that are not near yet."""

from typing import Any

import keras
from numpy.typing import ArrayLike

from supcon_tf.errors import check_number
from supcon_tf.losses.anchor_loss import AnchorLoss
from supcon_tf.losses.equation import losses_of_anchors
from supcon_tf.losses.pairs.kinds import by_class


@keras.saving.register_keras_serializable("supcon_tf")
class FocalSupConLoss(AnchorLoss):
    """Supervised contrastive loss with a focal factor, as in Core-tuning.

        loss_i = mean_{p in P(i)} -(1 - q_ip)^focus log q_ip
        q_ip   = exp(s_ip) / sum_{a != i} exp(s_ia)

    with s_ij = z_i.z_j / t. The factor has a gradient, as in the authors' code;
    that code divides by the number of contrasts, and this loss by |P(i)|.

    Args:
      temperature: float `t` >= 1e-6, or a scalar tensor. The default is 0.07,
        as in the paper's code.
      focus: float >= 1. The default is 1, as in the paper.
      name: name of the loss.
      **options: as for `AnchorLoss`: `anchors`, `unlabeled_label`,
        `implementation`, `reduction` and `dtype`.

    Call arguments:
      y_true: labels as for `supcon_loss`.
      y_pred: `[B, V, D]` or `[B, D]` floats.
      sample_weight: optional `[B]` weights of the images.
      queue: as for `supcon_loss`.

    Raises:
      ValueError: if an argument is not one of the above.

    Example:
      >>> loss = FocalSupConLoss(temperature=0.5)
      >>> loss([0, 1, 0, 1], keras.random.normal((4, 2, 128))).shape
      TensorShape([])

    Reference:
      Zhang et al., "Unleashing the Power of Contrastive Self-Supervised Visual
      Models via Contrast-Regularized Fine-Tuning", NeurIPS 2021,
      https://arxiv.org/abs/2102.06605
    """

    also_takes = ("temperature", "extra_similarities")

    def __init__(
        self,
        temperature: ArrayLike = 0.07,
        *,
        focus: float = 1.0,
        name: str | None = "focal_supcon_loss",
        **options: Any,
    ):
        super().__init__(temperature, name=name, **options)
        check_number("focus", focus, at_least=1)
        self.focus = focus

    def losses_of_anchors(self, contrasts, *, in_tiles):
        """The loss of each anchor, `[M]`."""
        return losses_of_anchors(
            contrasts, by_class(contrasts), focus=self.focus, in_tiles=in_tiles
        )

    def get_config(self):
        """Returns every argument of the constructor."""
        return {**super().get_config(), "focus": self.focus}
