"""The losses. Each family has a file; `supcon` has Eq. 2 and 3 of the paper.

`supcon` holds `supcon_loss` and `SupConLoss`, and `additive_margin` holds
`AdditiveMarginLoss`, a baseline of the paper. `arguments` checks what the
losses are given. `reduction` turns the losses of the images into one number, on
one replica and on many. `pairs` computes similarities and sums over pairs.
"""

from supcon_tf.losses.additive_margin import AdditiveMarginLoss
from supcon_tf.losses.supcon import SupConLoss, supcon_loss

__all__ = ["AdditiveMarginLoss", "SupConLoss", "supcon_loss"]
