"""KNNCallback: k-NN accuracy and retrieval of the encoder as it trains."""

from typing import Any

import keras
import numpy as np

from supcon_tf.data.image_batches import image_batches
from supcon_tf.data.shared_images import warn_of_shared_images
from supcon_tf.distribution import keras_steps
from supcon_tf.encoders.encoder_check import check_encoder
from supcon_tf.errors import check_int
from supcon_tf.evaluation.encode import encode_all
from supcon_tf.evaluation.neighbors import check_neighbors, knn_accuracy
from supcon_tf.evaluation.retrieval import SCORES, retrieval_scores
from supcon_tf.models.encoder_model import EncoderModel


class KNNCallback(keras.callbacks.Callback):
    """Logs the k-NN accuracy of the encoder as `val_knn_accuracy`.

    The contrastive loss of a validation set says little about the encoder, and
    a linear probe takes long. The k-NN accuracy is quick, and EarlyStopping and
    ModelCheckpoint can watch it. Put them after this callback in the list, with
    `mode="max"`.

    After the first epoch of a fit and after every `every`-th epoch, both sets
    are encoded (without views and augmentation, centre-cropped), and
    `evaluation.knn_accuracy` classifies the validation images. In the epochs
    between, the last value is logged again, and EarlyStopping's `patience`
    counts these epochs, too. A model whose representations are no longer finite
    has the accuracy 0.

    With `retrieval=True` the logs also have `val_precision_at_1`,
    `val_r_precision` and `val_map_at_r`, as `evaluation.retrieval_scores`
    computes them of the validation images among themselves. They need no
    training images, so that the classes of the two sets may differ.

    The encoder of a SupConModel, a JointModel or a ClassificationModel is its
    `representation_model()`. Any other model is itself the encoder, with its
    output flattened, and must take single images.

    Args:
      train_data: `(images, labels)`, `LabelledImages` or a `tf.data.Dataset` of
        single pairs. Images are uint8 (0 to 255) or float (0 to 1). Each image
        is compared with each validation image. This takes 9 s for 50,000 and
        10,000 of them (R = 512, on 2 cores), in addition to the encoding.
      validation_data: as for `train_data`.
      neighbors: int >= 1, at most the number of training images.
      batch_size: int >= 1, images that are encoded at once.
      every: int >= 1, number of epochs from one measurement to the next.
      retrieval: bool, whether the retrieval scores are logged, too. False by
        default. Each validation image is compared with each other one. This
        takes 12 s for 10,000 of them (R = 512, on 2 shared cores).

    Raises:
      ValueError: if an argument is out of its range, or images and labels do
        not fit each other. At the first measurement, if `retrieval` is True
        and no two validation images are of one class.

    Example:
      >>> monitor = {"monitor": "val_knn_accuracy", "mode": "max"}
      >>> history = model.fit(views, labels, epochs=3, verbose=0, callbacks=[
      ...     KNNCallback(train, test, every=2),
      ...     keras.callbacks.EarlyStopping(patience=20, **monitor),
      ...     keras.callbacks.ModelCheckpoint(
      ...         "best.keras", save_best_only=True, **monitor)])
      >>> len(history.history["val_knn_accuracy"])
      3
    """

    def __init__(
        self,
        train_data: Any,
        validation_data: Any,
        *,
        neighbors: int = 20,
        batch_size: int = 256,
        every: int = 1,
        retrieval: bool = False,
    ):
        super().__init__()
        check_int("batch_size", batch_size, 1)
        check_int("every", every, 1)
        num_images = _num_images("train_data", train_data)
        if num_images is not None:
            check_neighbors(neighbors, num_images)
        _num_images("validation_data", validation_data)
        warn_of_shared_images(
            train_data, validation_data, name="validation_data", stacklevel=2
        )
        self.train_data = train_data
        self.validation_data = validation_data
        self.neighbors = neighbors
        self.batch_size = batch_size
        self.every = every
        self.retrieval = retrieval
        self._encoder = None
        self._measured = None

    def on_train_begin(self, logs=None):
        """Gets the encoder from the model, once: they share the weights."""
        del logs
        encoder = self.model
        if isinstance(encoder, EncoderModel):
            encoder = encoder.representation_model()
        check_encoder(encoder, "model", has_rows=False)
        if not _returns_rows(encoder):
            with keras_steps.scope_of(self.model):
                encoder = keras.Sequential([encoder, keras.layers.Flatten()])
        self._encoder = encoder
        self._measured = None

    def on_epoch_end(self, epoch, logs=None):
        """Adds what is measured to the logs; `epoch` counts from 0."""
        if self._measured is None or (epoch + 1) % self.every == 0:
            self._measured = self._measure()
        if logs is not None:
            logs.update(self._measured)

    def _measure(self):
        """Values by the names that they have in the logs."""
        train, train_labels = self._encode(self.train_data)
        validation, validation_labels = self._encode(self.validation_data)
        if not (np.isfinite(train).all() and np.isfinite(validation).all()):
            names = ("knn_accuracy", *(SCORES if self.retrieval else ()))
            return {f"val_{name}": 0.0 for name in names}
        accuracy = knn_accuracy(
            train,
            train_labels,
            validation,
            validation_labels,
            neighbors=self.neighbors,
        )
        measured = {"val_knn_accuracy": accuracy}
        if self.retrieval:
            scores = retrieval_scores(validation, validation_labels)
            if not scores["queries"]:
                raise ValueError(
                    "`validation_data` must have two or more images of a class "
                    f"with retrieval=True. Received: {len(validation)} images "
                    "of as many classes"
                )
            measured |= {f"val_{name}": scores[name] for name in SCORES}
        return measured

    def _encode(self, data):
        """Representations `[n, R]` and labels `[n]` of a set."""
        representations, labels = encode_all(
            self._encoder, data, batch_size=self.batch_size
        )
        return representations, labels


def _returns_rows(encoder):
    """Whether it is a model that is known to return `[B, R]`."""
    shape = getattr(encoder, "output_shape", None)
    return isinstance(shape, tuple) and len(shape) == 2


def _num_images(name, data):
    """Checks labelled images; returns their number, None if it is unknown."""
    try:
        # This checks the images. It never makes one of this size.
        pairs = image_batches(data, image_size=1, batch_size=1)
    except ValueError as error:
        raise ValueError(f"`{name}`: {error}") from error
    size = int(pairs.cardinality())
    if size == 0:
        raise ValueError(f"`{name}` must have images. Received: none")
    return size if size >= 0 else None
