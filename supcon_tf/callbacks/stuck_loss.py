"""Keras callbacks that watch a fit: a loss that is stuck, k-NN accuracy."""

import numbers
import warnings

import keras
import numpy as np

from supcon_tf.errors import check_int


class StuckLoss(UserWarning):
    """The contrastive loss stays at the value of total collapse."""


class StuckLossWarning(keras.callbacks.Callback):
    """Warns, once in a fit, when the loss stays at the value of collapse.

    Identical projections have the loss `log(N - 1)`, whatever the labels and
    the temperature (`metrics.collapsed_loss`). A loss that stays there is the
    commonest way in which contrastive training fails, and does not look like
    failure: nothing is infinite, and the value differs from run to run.

    SupConModel logs what it takes. Compile any other model with
    `metrics=[metrics.collapsed_loss]`; compared with it is then `loss`. For
    another variant than `SupConLoss()` that is `keras.metrics.
    MeanMetricWrapper(metrics.collapsed_loss, name="collapsed_loss",
    loss=loss)`. If the model has regularisers, which `loss` includes, add a
    metric of the loss alone that is named `contrastive_loss`. A batch in which
    no anchor has a positive, where both are 0, does not count as stuck.

    Args:
      steps: int >= 1, batches in a row, also over the ends of epochs, after
        which it warns.
      tolerance: float in (0, 1), how far from the value of collapse, as a
        share of it, a loss still counts as stuck.

    Raises:
      ValueError: if an argument is out of its range, or, in the first batch,
        if the model does not log what it takes.

    Example:
      >>> model.fit(views, epochs=9, callbacks=[StuckLossWarning()])
      StuckLoss: The contrastive loss has stayed within 1 % of the value of ...
    """

    def __init__(self, steps=200, tolerance=0.01):
        super().__init__()
        check_int("steps", steps, 1)
        if not isinstance(tolerance, numbers.Real) or not 0 < tolerance < 1:
            raise ValueError(
                "`tolerance` must lie between 0 and 1. "
                f"Received: tolerance={tolerance!r}"
            )
        self.steps = steps
        self.tolerance = tolerance
        self._warned = False
        self._stuck_batches = 0
        self._start_epoch()

    def on_train_begin(self, logs=None):
        """Starts to count."""
        del logs
        self._warned = False
        self._stuck_batches = 0

    def on_epoch_begin(self, epoch, logs=None):
        """Keras' running means start anew; the count of batches goes on."""
        del epoch, logs
        self._start_epoch()

    def on_train_batch_end(self, batch, logs=None):
        """Compares the values of the batches since the last comparison."""
        if self._warned:
            return
        name, means = _running_means(logs or {})
        if self._is_doubtful:
            self._stuck_batches, self._is_doubtful = 0, False
        # The running means are float32: they give the value of one batch to
        # 0.1 % in batch 10,000 of an epoch, but to 1 % in batch 100,000, which
        # would be all the tolerance. The mean of a thousandth of the epoch so
        # far is good to 0.5 % there (the rest is lost in Keras' sums); early
        # on, that is one batch.
        batches = batch + 1 - self._epoch_batches
        if batches < batch / 1000:
            return
        sums = (batch + 1) * means
        loss, collapsed_loss = (sums - self._epoch_sums) / batches
        distance = abs(loss - collapsed_loss)
        if 0 < collapsed_loss and distance <= self.tolerance * collapsed_loss:
            self._stuck_batches += batches
        elif self._epoch_batches == 0:
            self._stuck_batches = 0
        else:
            # Keras weighs a batch by its images in `loss`, but by 1 in a metric
            # function: what is recovered of a smaller last batch is wrong. So
            # this one ends the count only if the epoch goes on after it.
            self._is_doubtful = True
        self._epoch_batches, self._epoch_sums = batch + 1, sums
        if self._stuck_batches >= self.steps:
            self._warned = True
            self._warn(name, loss, collapsed_loss)

    def _start_epoch(self):
        self._epoch_batches = 0
        self._epoch_sums = np.zeros(2)  # of both losses over these batches
        self._is_doubtful = False

    def _warn(self, name, loss, collapsed_loss):
        warnings.warn(
            f"The contrastive loss has stayed within {100 * self.tolerance:g} "
            f"% of the value of total collapse for {self._stuck_batches} "
            f"batches: {name} {loss:.4f}, collapsed_loss {collapsed_loss:.4f}. "
            "All projections are equal, or nothing has been learnt yet. Try, "
            "in this order: a longer warm-up, or a lower or higher learning "
            "rate (Adam, or SGD with a learning rate matched to the batch "
            "size); BatchNormalization in the projection head, "
            "ProjectionHead(batch_norm=True); a higher temperature for the "
            "start. And check that the labels match the images, and that each "
            "batch holds several classes and several views of each.",
            StuckLoss,
            stacklevel=2,
        )


def _running_means(logs):
    """Name and running means of the loss; the loss and that of collapse."""
    name = "contrastive_loss" if "contrastive_loss" in logs else "loss"
    if not {name, "collapsed_loss"} <= set(logs):
        raise ValueError(
            "The model must log `collapsed_loss`, and `contrastive_loss` or "
            "`loss`: use SupConModel, or compile with "
            "metrics=[supcon_tf.metrics.collapsed_loss]. "
            f"Received: logs of {sorted(logs)}"
        )
    return name, np.array([logs[name], logs["collapsed_loss"]])
