"""SINCERE, in which the positives of an anchor do not repel each other."""

from typing import Any

import keras
from numpy.typing import ArrayLike

from supcon_tf.errors import check_number
from supcon_tf.losses.anchor_loss import AnchorLoss
from supcon_tf.losses.equation import losses_of_anchors
from supcon_tf.losses.pairs.kinds import by_class


@keras.saving.register_keras_serializable("supcon_tf")
class SINCERELoss(AnchorLoss):
    """SINCERE, and with a margin epsilon-SupInfoNCE.

    The denominator of a positive has this positive and the negatives, but not
    the other positives, which SupCon pushes away from the anchor:

        loss_i = mean_{p in P(i)} -log(exp(s_ip) / (exp(s_ip - margin)
                                               + sum_{n in N(i)} exp(s_in)))

    with s_ij = z_i.z_j / t. Without a margin it is
    `SupConLoss(denominator="one_positive")`. An anchor with one positive has
    the loss NT-Xent, and one without positives the loss 0.

    Args:
      temperature: float `t` >= 1e-6, or a scalar tensor. The default is 0.07,
        as in both papers' code.
      margin: float >= 0, in units of s. 0.25 is that of epsilon-SupInfoNCE.
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
      >>> loss = SINCERELoss(temperature=0.1)
      >>> round(float(loss([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])), 6)
      3e-05

    References:
      Feeney & Hughes, "SINCERE: Supervised Information Noise-Contrastive
      Estimation REvisited", 2023, https://arxiv.org/abs/2309.14277; Barbano et
      al., "Unbiased Supervised Contrastive Learning", ICLR 2023,
      https://arxiv.org/abs/2211.05568
    """

    also_takes = ("temperature", "extra_similarities")

    def __init__(
        self,
        temperature: ArrayLike = 0.07,
        *,
        margin: float = 0.0,
        name: str | None = "sincere_loss",
        **options: Any,
    ):
        super().__init__(temperature, name=name, **options)
        check_number("margin", margin, at_least=0)
        self.margin = margin

    def losses_of_anchors(self, contrasts, *, in_tiles):
        """The loss of each anchor, `[M]`."""
        return losses_of_anchors(
            contrasts,
            by_class(contrasts),
            denominator="one_positive",
            margin=self.margin,
            in_tiles=in_tiles,
        )

    def get_config(self):
        """Returns every argument of the constructor."""
        return {**super().get_config(), "margin": self.margin}
