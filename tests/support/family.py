"""Every loss of the family once, with labels of six images for it."""

import dataclasses
from typing import Any

import numpy as np

from supcon_tf import (
    AlignmentUniformityLoss,
    BalancedSupConLoss,
    CACRLoss,
    ConRLoss,
    CrossViewLoss,
    DecoupledLoss,
    FocalSupConLoss,
    GroCoLoss,
    HardNegativeLoss,
    HierarchicalSupConLoss,
    MultiViewLoss,
    RankNContrastLoss,
    SINCERELoss,
    SoftSupConLoss,
    SpreadLoss,
    SupConLoss,
    similarities,
)

GENERATOR = np.random.default_rng(3)
Z = GENERATOR.normal(size=(6, 2, 3))

IDS = np.array([0, 1, 0, 2, 1, 0])  # class 2 has a single image
SHARES = GENERATOR.dirichlet(np.ones(3), 6)
SETS = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 1, 0], [0] * 3, [1] * 3])
TARGETS = np.array([20.0, 35.0, 22.0, 30.0, 22.0, 27.5])
PLACES = np.array([[2, 49], [4, 51], [13, 53], [5, 52], [2, 48], [-74, 41.0]])
LEVELS = np.stack([IDS, IDS * 2 + [0, 0, 1, 0, 1, 0]], axis=1)
WITH_PREDICTIONS = np.column_stack([TARGETS, TARGETS + 6, TARGETS[::-1].copy()])
MIXED = np.array(
    [[0.7, 0, 2], [1, 1, 0], [0.6, 2, 3], [1, 3, 1], [0.9, 4, 5], [0.5, 5, 4]]
)

OF_CLASSES, OF_NOTHING = "classes", "nothing"
OF_VECTORS, OF_LEVELS, OF_TARGETS = "vectors", "levels", "targets"


@dataclasses.dataclass(frozen=True)
class Member:
    """A loss, and what it takes.

    Attributes:
      loss: loss object.
      labels: one row for each of the six images, or None.
      kind: of the labels.
      takes_queue: whether it takes a queue.
    """

    loss: Any
    labels: Any
    kind: str
    takes_queue: bool = True

    def made(self, **changes):
        """The loss with other arguments; those that it has not are left out."""
        config = self.loss.get_config()
        config |= {k: v for k, v in changes.items() if k in config}
        return type(self.loss).from_config(config)

    def has(self, name):
        """Whether the constructor has an argument."""
        return name in self.loss.get_config()


def _soft(similarity, labels, kind, **options):
    return Member(SoftSupConLoss(similarity, 0.5, **options), labels, kind)


FAMILY = {
    "supcon": Member(SupConLoss(0.5), IDS, OF_CLASSES),
    "one_positive": Member(
        SupConLoss(0.5, denominator="one_positive", summation="inside"),
        IDS,
        OF_CLASSES,
    ),
    "sincere": Member(SINCERELoss(0.5, margin=0.25), IDS, OF_CLASSES),
    "decoupled": Member(DecoupledLoss(0.5), IDS, OF_CLASSES),
    "decoupled, sigma": Member(DecoupledLoss(0.5, sigma=0.5), None, OF_NOTHING),
    "hard negatives": Member(HardNegativeLoss(0.5), None, OF_NOTHING),
    "hard negatives, classes": Member(
        HardNegativeLoss(0.5, class_prior=0), IDS, OF_CLASSES
    ),
    "focal": Member(FocalSupConLoss(0.5, focus=2.0), IDS, OF_CLASSES),
    "balanced": Member(BalancedSupConLoss(0.5), IDS, OF_CLASSES),
    "jaccard": _soft(
        similarities.Jaccard(0.3), SETS, OF_VECTORS, positives_mean="count"
    ),
    "cosine": _soft(similarities.Cosine(), SHARES, OF_VECTORS),
    "dot": _soft(
        similarities.Dot(), SHARES, OF_VECTORS, denominator="one_positive"
    ),
    "gaussian": _soft(similarities.GaussianKernel(5.0), TARGETS, OF_TARGETS),
    "laplace": _soft(
        similarities.LaplaceKernel(5.0),
        TARGETS,
        OF_TARGETS,
        denominator="only_negatives",
    ),
    "within": _soft(
        similarities.Within(2.0),
        TARGETS,
        OF_TARGETS,
        contrast_weights=similarities.Distance(),
    ),
    "haversine": _soft(similarities.Haversine(200.0), PLACES, OF_TARGETS),
    "levels": _soft(similarities.SharedLevels(), LEVELS, OF_LEVELS),
    "hierarchical": Member(
        HierarchicalSupConLoss([0.5, 2.0], 0.5), LEVELS, OF_LEVELS
    ),
    "clip": Member(CrossViewLoss(None, 0.5), None, OF_NOTHING, False),
    "cwcl": Member(
        CrossViewLoss(similarities.AffineCosine(), 0.5, anchors="first"),
        Z[:, 1],
        OF_TARGETS,
        False,
    ),
    "mixco": Member(
        CrossViewLoss(similarities.Mixed(), 0.5, positives_mean="one"),
        MIXED,
        OF_TARGETS,
        False,
    ),
    "spread": Member(SpreadLoss(), IDS, OF_CLASSES, False),
    "mv-infonce": Member(
        MultiViewLoss("infonce", 0.5), None, OF_NOTHING, False
    ),
    "mv-dhel": Member(MultiViewLoss("dhel", 0.5), None, OF_NOTHING, False),
    "alignment and uniformity": Member(
        AlignmentUniformityLoss(), None, OF_NOTHING, False
    ),
    "cacr": Member(CACRLoss(), None, OF_NOTHING, False),
    "conr": Member(ConRLoss(5.0, 0.5), WITH_PREDICTIONS, OF_TARGETS, False),
    "rank-n-contrast": Member(RankNContrastLoss(), TARGETS, OF_TARGETS, False),
    "groco": Member(GroCoLoss(2), IDS, OF_CLASSES, False),
}
