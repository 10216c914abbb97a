"""Computes the representations of whole data sets."""

import keras
import numpy as np
from tqdm import tqdm

from supcon_tf.data.image_batches import image_batches
from supcon_tf.data.sources import raising_range_errors
from supcon_tf.encoders.encoder_check import (
    check_encoder,
    check_representations,
    refuse_own_scaling,
)
from supcon_tf.errors import RunStoppedError
from supcon_tf.frameworks.backends import tf

BATCH_SIZE = 256  # images that are encoded at once


def encode_all(
    encoder, source, *, batch_size=256, augmentation=None, image_size=None
):
    """Computes the representations of all images, in order.

    If the encoder was made in the scope of a strategy, its replicas share the
    work. If there are several workers, each of them does all of it.

    Args:
      encoder: Keras model, images `[B, H, W, C]` in [0, 1] -> representations
        `[B, R]`. It runs in inference mode.
      source: `(images, labels)`, `LabelledImages`, `StreamedImages` or a
        `tf.data.Dataset` of single `(image, label)` pairs. The images are
        uint8 (0 to 255) or float (0 to 1).
      batch_size: int >= 1, the number of images that are encoded at once; 256
        by default.
      augmentation: as in `image_batches`. None, the default, crops the centre.
      image_size: as in `image_size_of`.

    Returns:
      The representations, a `[n, R]` float32 array, and the labels, a `[n]`
      integer array.

    Raises:
      ValueError: as in `image_size_of` and `image_batches`; if floats of any
        batch leave [0, 1]; or if there are no images.

    Example:
      >>> representations, labels = encode_all(encoder, train)
      >>> representations.shape, labels.shape
      ((200, 8), (200,))
    """
    batches = batches_for(
        encoder,
        source,
        batch_size=batch_size,
        augmentation=augmentation,
        image_size=image_size,
    )
    encode = encode_function(encoder, batch_size=batch_size)
    features, labels = [], []
    for images, batch_labels in raising_range_errors(batches):
        features.append(encode(images))
        labels.append(np.asarray(batch_labels))
    if not features:
        raise ValueError("`source` must have images. Received: none")
    return np.concatenate(features), np.concatenate(labels)


def encode_function(encoder, *, batch_size, may_classify=False):
    """Makes a function that encodes a batch on all replicas of the encoder.

    Args:
      encoder: as in `encode_all`. It runs in inference mode, so that no weight
        and no moving average changes.
      batch_size: int >= 1, the largest number of images in a batch.
      may_classify: whether it may be a `LinearClassifier`, of which the
        function then returns the scores. False by default.

    Returns:
      A function, images `[b, H, W, C]` -> `[b, R]` float32 array. It raises a
      ValueError if the encoder returns anything else.

    Example:
      >>> encode_function(encoder, batch_size=8)(images).shape
      (8, 8)
    """
    check_encoder(encoder, may_classify=may_classify)
    if not isinstance(encoder, keras.Model):  # a layer
        encoder = keras.Sequential([encoder])
    # Keras models have this attribute only on TensorFlow.
    strategy = getattr(encoder, "distribute_strategy", None)
    encode = encoder.predict_on_batch
    if strategy is not None and strategy.num_replicas_in_sync > 1:
        encode = _encode_on_replicas(encoder, strategy, batch_size)

    def checked(images):
        representations = encode(images)
        check_representations(representations)
        return representations.astype(np.float32)

    return checked


def batches_for(
    encoder, source, *, batch_size, augmentation=None, image_size=None
):
    """Makes batches of images of the size that the encoder takes.

    The images keep their own size if the encoder takes any size and
    `image_size` is None.

    Args:
      encoder: as in `encode_all`, like the other arguments.
      source: labelled images.
      batch_size: int >= 1.
      augmentation: None crops the centre.
      image_size: None, int or (height, width), as in `image_size_of`.

    Returns:
      A `tf.data.Dataset` or `PlainBatches`, as `image_batches` returns it.

    Raises:
      ValueError: as in `image_size_of` and `image_batches`.

    Example:
      >>> batches = batches_for(encoder, train, batch_size=100)
      >>> [images.shape[:3] for images, _ in batches]
      [TensorShape([100, 32, 32]), TensorShape([100, 32, 32])]
    """
    return image_batches(
        source,
        image_size=image_size_of(encoder, image_size),
        batch_size=batch_size,
        augmentation=augmentation,
    )


def image_size_of(encoder, image_size=None):
    """Returns the height and width of the images that an encoder is given.

    Args:
      encoder: as in `encode_all`.
      image_size: int or (height, width), in pixels, for an encoder that takes
        images of any size. For an encoder of a fixed size it is that size or
        None, the default.

    Returns:
      (height, width). None if the encoder takes any size and `image_size` is
      None.

    Raises:
      ValueError: if the encoder is none, as in `check_encoder`, takes no images
        or has a fixed size and `image_size` is another.

    Example:
      >>> image_size_of(encoder)
      (32, 32)
    """
    check_encoder(encoder)
    refuse_own_scaling(encoder)
    input_shape = getattr(encoder, "input_shape", (None, None, None, None))
    if len(input_shape) != 4:
        raise ValueError(
            "`encoder` must take images [B, H, W, C]. "
            f"Received: an encoder of input_shape={input_shape}"
        )
    own = None if None in input_shape[1:3] else tuple(input_shape[1:3])
    if image_size is None:
        return own
    sides = image_size
    if not isinstance(sides, (tuple, list)):
        sides = (image_size, image_size)
    if own is not None and tuple(sides) != own:
        raise ValueError(
            f"`image_size` must be None or the encoder's, {own}. "
            f"Received: image_size={image_size}"
        )
    return tuple(sides)


def _encode_on_replicas(encoder, strategy, batch_size):
    """Makes a function `[b, H, W, C]` -> `[b, R]`, b at most the batch size.

    With `predict_on_batch` each replica would encode the whole batch, and the
    results of all replicas would be returned.
    """
    replicas = len(strategy.extended.worker_devices)  # of this worker
    rows = -(-batch_size // replicas)

    @tf.function
    def run(parts):
        return strategy.run(lambda x: encoder(x, training=False), (parts,))

    def encode(images):
        # All batches, also the last one, get one shape, since a TPU compiles
        # anew for each shape.
        missing = rows * replicas - len(images)
        padded = tf.pad(images, [[0, missing], [0, 0], [0, 0], [0, 0]])

        def part(context):
            first = context.replica_id_in_sync_group % replicas * rows
            return padded[first : first + rows]

        parts = strategy.experimental_distribute_values_from_function(part)
        results = strategy.experimental_local_results(run(parts))
        return np.concatenate([np.array(x) for x in results])[: len(images)]

    return encode


class NotFiniteError(RunStoppedError):
    """An encoder returned infinity or NaN."""


def encode_with_progress(encoder, source, *, image_size=None, title="encode"):
    """Does what `encode_all` does, with a progress bar titled `title`.

    The length of the source must be known. The bar is only shown on a terminal.
    A representation that is not finite raises a `NotFiniteError`.
    """
    sizes = {"batch_size": BATCH_SIZE, "image_size": image_size}
    encode = encode_function(encoder, batch_size=BATCH_SIZE)
    features, labels = [], []
    with tqdm(total=len(source), desc=title, unit="img", disable=None) as bar:
        batches = batches_for(encoder, source, **sizes)
        for images, batch_labels in raising_range_errors(batches):
            features.append(encode(images))
            labels.append(np.asarray(batch_labels))
            if not np.isfinite(features[-1]).all():
                raise NotFiniteError(
                    "The encoder must return finite representations. "
                    f"Received: {encoder.name!r}, which does not"
                )
            bar.update(len(labels[-1]))
    return np.concatenate(features), np.concatenate(labels)
