"""Metrics that tell what the loss means and what the projections look like."""

from supcon_tf.metrics.accuracy import top_1_accuracy
from supcon_tf.metrics.calibration import expected_calibration_error
from supcon_tf.metrics.geometry import (
    alignment,
    anchors_without_positives,
    contrastive_top_1,
    tolerance,
    uniformity,
)
from supcon_tf.metrics.loss_values import collapsed_loss, loss_floor

__all__ = [
    "alignment",
    "anchors_without_positives",
    "collapsed_loss",
    "contrastive_top_1",
    "expected_calibration_error",
    "loss_floor",
    "tolerance",
    "top_1_accuracy",
    "uniformity",
]
