"""BestEpoch: keeps the weights of the best epoch, and ends a fit in time."""

import pathlib

import keras
import numpy as np

from supcon_tf.errors import check_int
from supcon_tf.evaluation.encode import encode_all
from supcon_tf.evaluation.neighbors import knn_accuracy
from supcon_tf.files import opened, written_whole
from supcon_tf.metrics.accuracy import top_1_accuracy


class BestEpoch(keras.callbacks.Callback):
    """Watches an accuracy, keeps the best epoch, and stops when it has passed.

    Keras' EarlyStopping forgets the best weights when the process ends. Here
    they are in a file, so that a run that goes on after a kill ends with the
    same weights as one that was not disturbed.

    Args:
      folder: folder in which best_epoch.npz is written. If it is there already,
        the run goes on from it.
      measure: function of the model to a float, higher is better, which is
        logged as `val_top_1_accuracy`.
      patience: int >= 1, the number of epochs without a better value after
        which the fit ends.

    Raises:
      ValueError: if `patience` is out of its range, or the file is damaged.

    Example:
      >>> best = BestEpoch(".", measure=lambda model: 0.5, patience=2)
      >>> history = model.fit(
      ...     views, labels, epochs=9, verbose=0, callbacks=[best]
      ... )
      >>> len(history.history["val_top_1_accuracy"]), best.epoch
      (3, 1)
    """

    def __init__(self, folder, measure, *, patience):
        super().__init__()
        check_int("patience", patience, 1)
        self.path = pathlib.Path(folder) / "best_epoch.npz"
        self.measure = measure
        self.patience = patience
        self.epoch, self.value, self._weights = 0, -np.inf, None
        if self.path.exists():
            self.epoch, self.value, self._weights = _read(self.path)

    def is_over(self, finished_epochs):
        """Whether a run of so many epochs has waited for `patience` already."""
        return finished_epochs - self.epoch >= self.patience

    def on_epoch_end(self, epoch, logs=None):
        """Measures; `epoch` counts from 0 here and from 1 in the file."""
        value = float(self.measure(self.model))
        if logs is not None:
            logs["val_top_1_accuracy"] = value
        if value > self.value:
            self.epoch, self.value = epoch + 1, value
            self._weights = self.model.get_weights()
            with written_whole(self.path) as path, open(path, "wb") as file:
                numbered = {
                    f"weight_{i}": w for i, w in enumerate(self._weights)
                }
                np.savez(file, epoch=self.epoch, value=value, **numbered)
        if self.is_over(epoch + 1):
            self.model.stop_training = True

    def restore(self, model):
        """Gives a model the weights of the best epoch, if there was one."""
        if self._weights is not None:
            model.set_weights(self._weights)


def held_out_accuracy(fitted, held_out, *, batch_size=64, image_size=None):
    """Makes the measure of `BestEpoch`: how well a model knows held-out images.

    A model that trains a classifier is measured by it. The representation of
    any other is measured by the classes of the 10 nearest of the images that
    it was fitted to, or of fewer if these are fewer. Images are centre-cropped.

    Args:
      fitted: `LabelledImages`, or others as in `encode_all`, of the training.
      held_out: the same of the images that were held out.
      batch_size: int >= 1, images that are encoded at once.
      image_size: as in `image_size_of`. An encoder that takes any size needs
        it for image files.

    Returns:
      A function of an `EncoderModel` to a float in [0, 1], 0 if its
      representations are no longer finite.

    Example:
      >>> measure = held_out_accuracy(train, test)
      >>> 0 <= measure(model) <= 1
      True
    """
    sizes = {"batch_size": batch_size, "image_size": image_size}

    def measure(model):
        encoder = model.representation_model()
        features, labels = encode_all(encoder, held_out, **sizes)
        if not np.isfinite(features).all():
            return 0.0
        if getattr(model, "classifier", None) is not None:
            return top_1_accuracy(labels, model.classifier(features))
        known, classes = encode_all(encoder, fitted, **sizes)
        return knn_accuracy(
            known, classes, features, labels, neighbors=min(10, len(known))
        )

    return measure


def _read(path):
    """The epoch, the value and the weights in the file."""
    try:
        with opened(path) as archive, np.load(archive) as file:
            weights = [file[f"weight_{i}"] for i in range(len(file.files) - 2)]
            return int(file["epoch"]), float(file["value"]), weights
    except Exception as error:  # zipfile, NumPy and zlib raise many kinds
        raise ValueError(
            f"{path} must hold the best epoch of the run; delete it, and the "
            f"checkpoints beside it, to start anew. Received: {error}"
        ) from error
