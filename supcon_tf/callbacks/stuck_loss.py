"""Keras callbacks that watch a fit: a loss that is stuck, k-NN accuracy."""

import numbers
import warnings

import keras
import numpy as np

from supcon_tf.data.views import image_batches
from supcon_tf.evaluation import encode_all, knn_accuracy
from supcon_tf.evaluation.neighbors import check_neighbors
from supcon_tf.models.supcon_model import SupConModel


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
        if not isinstance(steps, numbers.Integral) or steps < 1:
            raise ValueError(
                f"`steps` must be an int >= 1. Received: steps={steps}"
            )
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


class KNNCallback(keras.callbacks.Callback):
    """Logs the k-NN accuracy of the encoder as `val_knn_accuracy`.

    The contrastive loss of a validation set says little about the encoder, and
    a linear probe takes long. This is quick, and is what EarlyStopping and
    ModelCheckpoint can watch: put them after it in the list of callbacks, and
    tell them `mode="max"`.

    After the first epoch of a fit and every `every`-th one, both sets are
    encoded (without views and augmentation, centre-cropped) and the validation
    images classified by `evaluation.knn_accuracy`. In the epochs between, the
    last value is logged again: EarlyStopping's `patience` counts these too. A
    model whose representations are no longer finite has the accuracy 0.

    The encoder is SupConModel's `representation_model()`. Any other model,
    which must take single images, is itself the encoder, its output flattened.

    Args:
      train_data: `(images, labels)`, `LabelledImages` or a `tf.data.Dataset` of
        single pairs; uint8 (0 to 255) or float (0 to 1). Each image is compared
        with each validation image: 9 s for 50,000 and 10,000 of them (R = 512,
        on 2 cores), beside the encoding.
      validation_data: the same.
      neighbors: int >= 1, at most the number of training images.
      batch_size: int >= 1, images that are encoded at once.
      every: int >= 1, epochs.

    Raises:
      ValueError: if an argument is out of its range, or images and labels do
        not fit each other.

    Example:
      >>> monitor = {"monitor": "val_knn_accuracy", "mode": "max"}
      >>> model.fit(views, epochs=100, callbacks=[
      ...     KNNCallback(train, validation, every=5),
      ...     keras.callbacks.EarlyStopping(patience=20, **monitor),
      ...     keras.callbacks.ModelCheckpoint(
      ...         "best.keras", save_best_only=True, **monitor)])
    """

    def __init__(
        self,
        train_data,
        validation_data,
        *,
        neighbors=20,
        batch_size=256,
        every=1,
    ):
        super().__init__()
        for name, value in (("batch_size", batch_size), ("every", every)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"`{name}` must be an int >= 1. Received: {name}={value}"
                )
        num_images = _num_images("train_data", train_data)
        if num_images is not None:
            check_neighbors(neighbors, num_images)
        _num_images("validation_data", validation_data)
        self.train_data = train_data
        self.validation_data = validation_data
        self.neighbors = neighbors
        self.batch_size = batch_size
        self.every = every
        self._encoder = None
        self._accuracy = None

    def on_train_begin(self, logs=None):
        """Takes the encoder out of the model, once: it shares the weights."""
        del logs
        encoder = self.model
        if isinstance(encoder, SupConModel):
            encoder = encoder.representation_model()
        if not isinstance(encoder, keras.Model):
            encoder = keras.Sequential([encoder])
        self._encoder = encoder
        self._accuracy = None

    def on_epoch_end(self, epoch, logs=None):
        """Adds the accuracy to the logs; `epoch` counts from 0."""
        if self._accuracy is None or (epoch + 1) % self.every == 0:
            self._accuracy = self._knn_accuracy()
        if logs is not None:
            logs["val_knn_accuracy"] = self._accuracy

    def _knn_accuracy(self):
        train, train_labels = self._encode(self.train_data)
        validation, validation_labels = self._encode(self.validation_data)
        if not (np.isfinite(train).all() and np.isfinite(validation).all()):
            return 0.0
        return knn_accuracy(
            train,
            train_labels,
            validation,
            validation_labels,
            neighbors=self.neighbors,
        )

    def _encode(self, data):
        """Representations `[n, R]` and labels `[n]`."""
        representations, labels = encode_all(
            self._encoder, data, batch_size=self.batch_size
        )
        return representations.reshape(len(labels), -1), labels


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


def _num_images(name, data):
    """Number of labelled images, None if unknown; raises if they are none."""
    try:
        # Checks them. No image of this size is ever made.
        pairs = image_batches(data, image_size=1, batch_size=1)
    except ValueError as error:
        raise ValueError(f"`{name}`: {error}") from error
    size = int(pairs.cardinality())
    return size if size >= 0 else None
