"""Losses that count hard negatives more, and false negatives out."""

from typing import Any

import keras
from numpy.typing import ArrayLike

from supcon_tf.errors import check_number
from supcon_tf.losses.anchor_loss import AnchorLoss
from supcon_tf.losses.equation import losses_of_anchors
from supcon_tf.losses.pairs.kinds import by_class


@keras.saving.register_keras_serializable("supcon_tf")
class HardNegativeLoss(AnchorLoss):
    """Contrastive loss with hard negative sampling, and the debiased loss.

    The negatives n of an anchor are weighted by exp(hardness * s_in), and the
    share `class_prior` of them that is expected to be of the anchor's class is
    taken out again, by means of its positives:

        loss_i = mean_{p in P(i)} -log(exp(s_ip) / (exp(s_ip) + R_i))
        R_i = max((M_i H_i - class_prior M_i E_i) / (1 - class_prior),
                  M_i exp(-1 / t))

    with s_ij = z_i.z_j / t, the number M_i of the negatives, their weighted
    mean H_i of exp(s_in), and the mean E_i of exp(s_ip) over the positives.
    With a hardness of 0 it is the debiased loss of Chuang et al. 2020. With
    both 0 it is NT-Xent, and with labels SINCERE. Importance weights have a
    gradient, as in the authors' code.

    Args:
      temperature: float `t` >= 1e-6, or a scalar tensor. The default is 0.5, as
        in both papers' code.
      hardness: float >= 0, beta in the paper. The default is 1.
      class_prior: float in [0, 1), tau+ in the papers. The default is 0.1. With
        labels it must be 0, since the negatives are known to be such.
      name: name of the loss.
      **options: as for `AnchorLoss`: `anchors`, `unlabeled_label`,
        `implementation`, `reduction` and `dtype`.

    Call arguments:
      y_true: None, or labels as for `supcon_loss`.
      y_pred: `[B, V, D]` or `[B, D]` floats.
      sample_weight: optional `[B]` weights of the images.
      queue: as for `supcon_loss`.

    Raises:
      ValueError: if an argument is not one of the above, or if there are labels
        and a class prior.

    Example:
      >>> loss = HardNegativeLoss(hardness=1.0, class_prior=0.1)
      >>> loss(None, keras.random.normal((4, 2, 128))).shape
      TensorShape([])

    References:
      Robinson et al., "Contrastive Learning with Hard Negative Samples", ICLR
      2021, https://arxiv.org/abs/2010.04592; Chuang et al., "Debiased
      Contrastive Learning", NeurIPS 2020, https://arxiv.org/abs/2007.00224
    """

    also_takes = ("temperature", "extra_similarities")

    def __init__(
        self,
        temperature: ArrayLike = 0.5,
        *,
        hardness: float = 1.0,
        class_prior: float = 0.1,
        name: str | None = "hard_negative_loss",
        **options: Any,
    ):
        super().__init__(temperature, name=name, **options)
        check_number("hardness", hardness, at_least=0)
        check_number("class_prior", class_prior, at_least=0, below=1)
        self.hardness = hardness
        self.class_prior = class_prior

    def losses_of_images(self, labels, projections, **more):
        """The loss of each image, `[B]`."""
        if labels is not None and self.class_prior:
            raise ValueError(
                "`class_prior` must be 0 with labels, which tell the negatives "
                f"apart. Received: class_prior={self.class_prior}, and labels"
            )
        return super().losses_of_images(labels, projections, **more)

    def losses_of_anchors(self, contrasts, *, in_tiles):
        """The loss of each anchor, `[M]`."""
        return losses_of_anchors(
            contrasts,
            by_class(contrasts),
            denominator="one_positive",
            hardness=self.hardness,
            class_prior=self.class_prior,
            in_tiles=in_tiles,
        )

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "hardness": self.hardness,
            "class_prior": self.class_prior,
        }
