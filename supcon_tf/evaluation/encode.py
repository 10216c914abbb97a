"""Representations of whole data sets."""

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from supcon_tf.data.views import image_batches
from supcon_tf.errors import RunStoppedError

BATCH_SIZE = 256  # images that are encoded at once


def encode_all(
    encoder, source, *, batch_size=256, augmentation=None, image_size=None
):
    """Representations and labels of all images, in order.

    The replicas of an encoder that was made in the scope of a strategy share
    the work; of several workers each does all of it.

    Args:
      encoder: Keras model, images `[B, H, W, C]` in [0, 1] -> `[B, R]`.
      source: `(images, labels)`, `LabelledImages` or a `tf.data.Dataset` of
        single `(image, label)` pairs; uint8 (0 to 255) or float (0 to 1).
      batch_size: int >= 1.
      augmentation: as for `image_batches`; None crops the centre.
      image_size: as for `image_size_of`.

    Returns:
      `[n, R]` float32 and `[n]` integer arrays.
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
    for images, batch_labels in batches:
        features.append(encode(images))
        labels.append(batch_labels.numpy())
    return np.concatenate(features), np.concatenate(labels)


def encode_function(encoder, *, batch_size):
    """The frozen encoder as a function of batches, on all its replicas.

    Args:
      encoder: as for `encode_all`. It runs in inference mode: no weight and no
        moving average changes.
      batch_size: int >= 1, images in a batch at most.

    Returns:
      A function, images `[b, H, W, C]` -> `[b, R]` float32 array.
    """
    strategy = getattr(encoder, "distribute_strategy", None)  # on TensorFlow
    encode = encoder.predict_on_batch
    if strategy is not None and strategy.num_replicas_in_sync > 1:
        encode = _encode_on_replicas(encoder, strategy, batch_size)
    return lambda images: encode(images).astype(np.float32)


def batches_for(
    encoder, source, *, batch_size, augmentation=None, image_size=None
):
    """Batches of images of the encoder's size, or of their own if it takes any.

    Args:
      encoder: as for `encode_all`.
      source: as for `encode_all`.
      batch_size: int >= 1.
      augmentation: as for `encode_all`.
      image_size: as for `image_size_of`.

    Returns:
      A `tf.data.Dataset` of `image_batches`.
    """
    return image_batches(
        source,
        image_size=image_size_of(encoder, image_size),
        batch_size=batch_size,
        augmentation=augmentation,
    )


def image_size_of(encoder, image_size=None):
    """The (height, width) of an encoder's images.

    Args:
      encoder: as for `encode_all`.
      image_size: int, or (height, width), for an encoder that takes images of
        any size; for another one its own size, or None.

    Returns:
      (height, width), or None for an encoder that takes any, without
      `image_size`.

    Raises:
      ValueError: if `image_size` is not the encoder's.
    """
    input_shape = getattr(encoder, "input_shape", (None, None, None, None))
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
    """A function `[b, H, W, C]` -> `[b, R]`, b at most the batch size.

    (`predict_on_batch` would have each replica encode the whole batch, and
    return all of that.)
    """
    replicas = len(strategy.extended.worker_devices)  # of this worker
    rows = -(-batch_size // replicas)

    @tf.function
    def run(parts):
        return strategy.run(lambda x: encoder(x, training=False), (parts,))

    def encode(images):
        # All of one shape, the last ones too: a TPU compiles for each.
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
    """As `encode_all`, with a progress bar on a terminal.

    Args:
      encoder: as for `encode_all`.
      source: as for `encode_all`, of known length.
      image_size: as for `image_size_of`.
      title: string before the bar.

    Returns:
      `[n, R]` float32 and `[n]` integer arrays.

    Raises:
      NotFiniteError: if a representation is not finite.
    """
    sizes = {"batch_size": BATCH_SIZE, "image_size": image_size}
    encode = encode_function(encoder, batch_size=BATCH_SIZE)
    features, labels = [], []
    with tqdm(total=len(source), desc=title, unit="img", disable=None) as bar:
        for images, batch_labels in batches_for(encoder, source, **sizes):
            features.append(encode(images))
            labels.append(batch_labels.numpy())
            if not np.isfinite(features[-1]).all():
                raise NotFiniteError(
                    "The encoder must return finite representations. "
                    f"Received: {encoder.name!r}, which does not"
                )
            bar.update(len(labels[-1]))
    return np.concatenate(features), np.concatenate(labels)
