"""ContrastiveTerm: a projection head, the loss of its outputs, their logs."""

import keras
from keras import ops

from supcon_tf.distribution.collectives import num_replicas, sum_over_replicas
from supcon_tf.losses.contrastive import ContrastiveLoss


class ContrastiveTerm:
    """What an `EncoderModel` with a projection head has beside it.

    `SupConModel` and `JointModel` share this class. They name the output of the
    head `projections`, and call `_add_projection_head` when they are made.
    """

    def _add_projection_head(self, projection_head):
        """Adds the head, a layer or None, and the logged values."""
        self.projection_head = projection_head
        self.contrastive_loss_tracker = keras.metrics.Mean("contrastive_loss")
        self.collapsed_loss_tracker = keras.metrics.Mean("collapsed_loss")
        self.loss_position_tracker = keras.metrics.Mean("loss_position")

    @property
    def metrics(self):
        """Keras' metrics, without values that the loss cannot compute."""
        loss = self._loss_of("projections")
        untold = []
        if not _has_reference_values(loss):
            untold.append(self.collapsed_loss_tracker)
        if not untold and loss.has_floor():
            return super().metrics
        untold.append(self.loss_position_tracker)
        return [
            metric
            for metric in super().metrics
            if not any(metric is tracker for tracker in untold)
        ]

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "projection_head": keras.saving.serialize_keras_object(
                self.projection_head
            ),
        }

    def _contrastive_loss(self, labels, projections, sample_weight, **queue):
        """The loss of `[B, V, D]`, a scalar; updates the logged values."""
        compiled = self._loss_of("projections")
        loss = compiled(labels, projections, sample_weight, **queue)
        images = ops.shape(projections)[0]
        # The value at collapse is that of the loss without sample weights.
        unweighted = loss
        if sample_weight is not None:
            unweighted = compiled(labels, projections, **queue)
        # The value of the loss is a replica's part of the sum over replicas.
        contrastive_loss = ops.cast(unweighted, "float32") * num_replicas()
        if compiled.reduction == "sum":
            contrastive_loss /= ops.cast(sum_over_replicas(images), "float32")
        self.contrastive_loss_tracker.update_state(contrastive_loss, images)
        if _has_reference_values(compiled):
            collapse, floor = compiled.reference_values(
                labels, projections, **queue
            )
            self.collapsed_loss_tracker.update_state(collapse, images)
            if floor is not None:
                position = ops.where(
                    collapse > floor,
                    (contrastive_loss - floor) / (collapse - floor),
                    ops.zeros_like(collapse),
                )
                self.loss_position_tracker.update_state(position, images)
        return loss


def _has_reference_values(loss):
    """Whether a loss can compute its value at collapse and its floor."""
    return isinstance(loss, ContrastiveLoss) and loss.has_reference_values()
