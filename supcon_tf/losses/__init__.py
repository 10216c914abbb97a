"""The losses, a file a family; `supcon` has Eq. 2 and 3 of the paper.

`supcon_loss` and `SupConLoss` are in `supcon`, `AdditiveMarginLoss`, a baseline
of the paper, in `additive_margin`. `arguments` checks what they are given,
`reduction` makes one number of the losses of the images, on one replica and on
many. What computes similarities and sums over pairs is in `pairs`.
"""

from supcon_tf.losses.additive_margin import AdditiveMarginLoss
from supcon_tf.losses.supcon import SupConLoss, supcon_loss

__all__ = ["AdditiveMarginLoss", "SupConLoss", "supcon_loss"]
