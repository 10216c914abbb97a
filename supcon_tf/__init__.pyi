"""The public names, for editors and type checkers; Python reads __init__.py."""

from supcon_tf import augmentations as augmentations
from supcon_tf import encoders as encoders
from supcon_tf import metrics as metrics
from supcon_tf import optimizers as optimizers
from supcon_tf.augmentations import AUGMENTATIONS as AUGMENTATIONS
from supcon_tf.augmentations.on_device.device_views import (
    DeviceViews as DeviceViews,
)
from supcon_tf.callbacks.knn import KNNCallback as KNNCallback
from supcon_tf.callbacks.stuck_loss import StuckLoss as StuckLoss
from supcon_tf.callbacks.stuck_loss import StuckLossWarning as StuckLossWarning
from supcon_tf.data.datasets import DATASETS as DATASETS
from supcon_tf.data.datasets import load_dataset as load_dataset
from supcon_tf.data.labelled_images import LabelledImages as LabelledImages
from supcon_tf.data.views import numbered_batches as numbered_batches
from supcon_tf.data.views import view_batches as view_batches
from supcon_tf.encoders import ENCODERS as ENCODERS
from supcon_tf.encoders.hub_encoder import HubEncoder as HubEncoder
from supcon_tf.encoders.hub_encoder import load_pretrained as load_pretrained
from supcon_tf.encoders.pretrained import PRETRAINED as PRETRAINED
from supcon_tf.encoders.pretrained import unpack_pretrained as unpack_pretrained
from supcon_tf.evaluation.linear.probe import linear_probe as linear_probe
from supcon_tf.losses import similarities as similarities
from supcon_tf.losses.additive_margin import (
    AdditiveMarginLoss as AdditiveMarginLoss,
)
from supcon_tf.losses.alignment_uniformity import (
    AlignmentUniformityLoss as AlignmentUniformityLoss,
)
from supcon_tf.losses.balanced import BalancedSupConLoss as BalancedSupConLoss
from supcon_tf.losses.cacr import CACRLoss as CACRLoss
from supcon_tf.losses.conr import ConRLoss as ConRLoss
from supcon_tf.losses.cross_view import CrossViewLoss as CrossViewLoss
from supcon_tf.losses.decoupled import DecoupledLoss as DecoupledLoss
from supcon_tf.losses.focal import FocalSupConLoss as FocalSupConLoss
from supcon_tf.losses.groco import GroCoLoss as GroCoLoss
from supcon_tf.losses.groco import groco_loss as groco_loss
from supcon_tf.losses.hard_negatives import HardNegativeLoss as HardNegativeLoss
from supcon_tf.losses.hierarchical import (
    HierarchicalSupConLoss as HierarchicalSupConLoss,
)
from supcon_tf.losses.multi_view import MultiViewLoss as MultiViewLoss
from supcon_tf.losses.rank_n_contrast import (
    RankNContrastLoss as RankNContrastLoss,
)
from supcon_tf.losses.rank_n_contrast import (
    rank_n_contrast_loss as rank_n_contrast_loss,
)
from supcon_tf.losses.sincere import SINCERELoss as SINCERELoss
from supcon_tf.losses.soft_supcon import SoftSupConLoss as SoftSupConLoss
from supcon_tf.losses.spread import SpreadLoss as SpreadLoss
from supcon_tf.losses.supcon import SupConLoss as SupConLoss
from supcon_tf.losses.supcon import supcon_loss as supcon_loss
from supcon_tf.losses.z_loss import ZLoss as ZLoss
from supcon_tf.losses.z_loss import z_loss as z_loss
from supcon_tf.models.classification_model import (
    ClassificationModel as ClassificationModel,
)
from supcon_tf.models.feature_mixing import (
    FeatureTransformation as FeatureTransformation,
)
from supcon_tf.models.feature_mixing import (
    HardNegativeMixing as HardNegativeMixing,
)
from supcon_tf.models.heads import ProjectionHead as ProjectionHead
from supcon_tf.models.joint_model import JointModel as JointModel
from supcon_tf.models.linear_classifier import (
    LinearClassifier as LinearClassifier,
)
from supcon_tf.models.supcon_model import SupConModel as SupConModel
from supcon_tf.optimizers import schedules as schedules
from supcon_tf.photographs.predict import predict as predict

__version__: str

def version() -> str: ...
