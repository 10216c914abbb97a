"""StuckLossWarning: warns when the loss stays at the value of collapse."""

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
    the temperature are (`metrics.collapsed_loss`). Contrastive training fails
    most often because the loss stays there. That does not look like failure:
    nothing is infinite, and the value differs from run to run.

    SupConModel and JointModel log what this callback needs. Compile any other
    model with `metrics=[metrics.collapsed_loss]`, and its `loss` is compared
    with that metric. For another variant than `SupConLoss()` the metric is
    `keras.metrics.MeanMetricWrapper(metrics.collapsed_loss,
    name="collapsed_loss", loss=loss)`. If the model has regularisers, which
    `loss` includes, add a metric of the loss alone with the name
    `contrastive_loss`. A batch in which no anchor has a positive does not count
    as stuck, although both values are 0.

    Args:
      steps: int >= 1, the number of batches in a row after which it warns. It
        counts on from one epoch to the next.
      tolerance: float in (0, 1), how far a stuck loss may be from the value of
        collapse, as a share of that value.

    Raises:
      ValueError: if an argument is out of its range, or, in the first batch, if
        the model does not log what this callback needs.

    Example:
      >>> history = model.fit(views, labels, epochs=2, verbose=0,
      ...                     callbacks=[StuckLossWarning(steps=100)])
    """

    def __init__(self, steps: int = 200, tolerance: float = 0.01):
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
        """Resets the count of batches."""
        del logs
        self._warned = False
        self._stuck_batches = 0

    def on_epoch_begin(self, epoch, logs=None):
        """Resets the running means, as Keras does, but not the count."""
        del epoch, logs
        self._start_epoch()

    def on_train_batch_end(self, batch, logs=None):
        """Compares the mean values of the batches since the last comparison."""
        if self._warned:
            return
        name, means = _running_means(logs or {})
        if self._is_doubtful:
            self._stuck_batches, self._is_doubtful = 0, False
        # The running means are float32. In batch 10,000 of an epoch they give
        # the value of one batch to 0.1 %, but in batch 100,000 only to 1 %,
        # which would be all the tolerance. This takes the mean over a
        # thousandth of the epoch so far, which is good to 0.5 % there. Keras'
        # sums lose the rest. Early in an epoch it is the mean of one batch.
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
            # function. The values recovered for a smaller last batch are wrong,
            # so this batch ends the count only if the epoch goes on after it.
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
    """The name of the loss, and the running means of it and of collapse."""
    name = "contrastive_loss" if "contrastive_loss" in logs else "loss"
    if not {name, "collapsed_loss"} <= set(logs):
        raise ValueError(
            "The model must log `collapsed_loss`, and `contrastive_loss` or "
            "`loss`: use SupConModel or JointModel, or compile with "
            "metrics=[supcon_tf.metrics.collapsed_loss]. "
            f"Received: logs of {sorted(logs)}"
        )
    return name, np.array([logs[name], logs["collapsed_loss"]])
