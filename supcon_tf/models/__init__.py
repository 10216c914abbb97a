"""Keras models of an encoder and heads, and how they are trained.

`encoder_model` is what `SupConModel`, `ClassificationModel` and `JointModel`
share. `contrastive_term` and `classifier_term` are the two things that they add
to it, one each or both. `heads` has the layers that are put on an encoder.
"""

from supcon_tf.models.classification_model import ClassificationModel
from supcon_tf.models.heads import ProjectionHead
from supcon_tf.models.joint_model import JointModel
from supcon_tf.models.linear_classifier import LinearClassifier
from supcon_tf.models.supcon_model import SupConModel

__all__ = [
    "ClassificationModel",
    "JointModel",
    "LinearClassifier",
    "ProjectionHead",
    "SupConModel",
]
