"""What a value of the loss means, and what the projections look like."""

from supcon_tf.metrics.geometry import (
    alignment,
    anchors_without_positives,
    collapsed_loss,
    contrastive_top_1,
    loss_floor,
    tolerance,
    top_1_accuracy,
    uniformity,
)

__all__ = [
    "alignment",
    "anchors_without_positives",
    "collapsed_loss",
    "contrastive_top_1",
    "loss_floor",
    "tolerance",
    "top_1_accuracy",
    "uniformity",
]
