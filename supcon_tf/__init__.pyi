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
from supcon_tf.losses import *
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
