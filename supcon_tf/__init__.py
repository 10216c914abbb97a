"""supcon_tf: supervised contrastive learning for Keras 3 / TensorFlow.

Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020,
https://arxiv.org/abs/2004.11362
"""

from supcon_tf import (
    augmentations,
    encoders,
    metrics,
    optimizers,
    schedules,
)
from supcon_tf.augmentations import AUGMENTATIONS
from supcon_tf.classification import ClassificationModel
from supcon_tf.datasets import DATASETS, LabelledImages, load_dataset
from supcon_tf.encoders import ENCODERS
from supcon_tf.evaluation import linear_probe
from supcon_tf.evaluation.linear_classifier import LinearClassifier
from supcon_tf.hub import HubEncoder, load_pretrained
from supcon_tf.losses import SupConLoss, supcon_loss
from supcon_tf.margin import AdditiveMarginLoss
from supcon_tf.models import SupConModel
from supcon_tf.monitoring import KNNCallback, StuckLoss, StuckLossWarning
from supcon_tf.pretrained import PRETRAINED, unpack_pretrained
from supcon_tf.projection_head import ProjectionHead
from supcon_tf.views import view_batches

__all__ = [
    "AUGMENTATIONS",
    "DATASETS",
    "ENCODERS",
    "PRETRAINED",
    "AdditiveMarginLoss",
    "ClassificationModel",
    "HubEncoder",
    "KNNCallback",
    "LabelledImages",
    "LinearClassifier",
    "ProjectionHead",
    "StuckLoss",
    "StuckLossWarning",
    "SupConLoss",
    "SupConModel",
    "augmentations",
    "encoders",
    "linear_probe",
    "load_dataset",
    "load_pretrained",
    "metrics",
    "optimizers",
    "schedules",
    "supcon_loss",
    "unpack_pretrained",
    "view_batches",
]
