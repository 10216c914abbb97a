"""The losses. Each family has a file; `supcon` has Eq. 2 and 3 of the paper.

`supcon` holds `supcon_loss` and `SupConLoss`. `rank_n_contrast` orders
projections as the targets of a regression, and `groco` sorts an anchor's
similarities. `additive_margin` and `z_loss` are losses of classifiers, the
first of them a baseline of the paper. `arguments` checks what the losses are
given. `reduction` turns the losses of the images into one number, on one
replica and on many. `pairs` computes similarities and sums over pairs.
"""

from supcon_tf.losses.additive_margin import AdditiveMarginLoss
from supcon_tf.losses.groco import GroCoLoss, groco_loss
from supcon_tf.losses.rank_n_contrast import (
    RankNContrastLoss,
    rank_n_contrast_loss,
)
from supcon_tf.losses.supcon import SupConLoss, supcon_loss
from supcon_tf.losses.z_loss import ZLoss, z_loss

__all__ = [
    "AdditiveMarginLoss",
    "GroCoLoss",
    "RankNContrastLoss",
    "SupConLoss",
    "ZLoss",
    "groco_loss",
    "rank_n_contrast_loss",
    "supcon_loss",
    "z_loss",
]
