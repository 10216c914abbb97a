"""supcon_tf: supervised contrastive learning for Keras 3 / TensorFlow.

Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020,
https://arxiv.org/abs/2004.11362
"""

from supcon_tf import augmentations, encoders, metrics, optimizers
from supcon_tf.augmentations import AUGMENTATIONS
from supcon_tf.callbacks.knn import KNNCallback
from supcon_tf.callbacks.stuck_loss import StuckLoss, StuckLossWarning
from supcon_tf.data.datasets import DATASETS, load_dataset
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.views import view_batches
from supcon_tf.encoders import ENCODERS
from supcon_tf.encoders.hub_encoder import HubEncoder, load_pretrained
from supcon_tf.encoders.pretrained import PRETRAINED, unpack_pretrained
from supcon_tf.evaluation import linear_probe
from supcon_tf.losses.additive_margin import AdditiveMarginLoss
from supcon_tf.losses.supcon import SupConLoss, supcon_loss
from supcon_tf.models.classification_model import ClassificationModel
from supcon_tf.models.heads import ProjectionHead
from supcon_tf.models.linear_classifier import LinearClassifier
from supcon_tf.models.supcon_model import SupConModel
from supcon_tf.optimizers import schedules

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
