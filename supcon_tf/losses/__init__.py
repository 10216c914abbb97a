"""The losses. Each family has a file; `supcon` has Eq. 2 and 3 of the paper.

`supcon` holds `supcon_loss` and `SupConLoss`: read it first. `equation` is what
most of the others share, and `anchor_loss` and `contrastive` are their base
classes. `similarities` compares labels that are more than a class.
`additive_margin` and `z_loss` are losses of classifiers. `arguments` checks
what the losses are given. `reduction` turns the losses of the images into one
number, on one replica and on many. `pairs` computes sums over pairs.
"""

from supcon_tf.losses import similarities
from supcon_tf.losses.additive_margin import AdditiveMarginLoss
from supcon_tf.losses.alignment_uniformity import AlignmentUniformityLoss
from supcon_tf.losses.balanced import BalancedSupConLoss
from supcon_tf.losses.cacr import CACRLoss
from supcon_tf.losses.conr import ConRLoss
from supcon_tf.losses.cross_view import CrossViewLoss
from supcon_tf.losses.decoupled import DecoupledLoss
from supcon_tf.losses.focal import FocalSupConLoss
from supcon_tf.losses.groco import GroCoLoss, groco_loss
from supcon_tf.losses.hard_negatives import HardNegativeLoss
from supcon_tf.losses.hierarchical import HierarchicalSupConLoss
from supcon_tf.losses.multi_view import MultiViewLoss
from supcon_tf.losses.rank_n_contrast import (
    RankNContrastLoss,
    rank_n_contrast_loss,
)
from supcon_tf.losses.sincere import SINCERELoss
from supcon_tf.losses.soft_supcon import SoftSupConLoss
from supcon_tf.losses.spread import SpreadLoss
from supcon_tf.losses.supcon import SupConLoss, supcon_loss
from supcon_tf.losses.z_loss import ZLoss, z_loss

__all__ = [
    "AdditiveMarginLoss",
    "AlignmentUniformityLoss",
    "BalancedSupConLoss",
    "CACRLoss",
    "ConRLoss",
    "CrossViewLoss",
    "DecoupledLoss",
    "FocalSupConLoss",
    "GroCoLoss",
    "HardNegativeLoss",
    "HierarchicalSupConLoss",
    "MultiViewLoss",
    "RankNContrastLoss",
    "SINCERELoss",
    "SoftSupConLoss",
    "SpreadLoss",
    "SupConLoss",
    "ZLoss",
    "groco_loss",
    "rank_n_contrast_loss",
    "similarities",
    "supcon_loss",
    "z_loss",
]
