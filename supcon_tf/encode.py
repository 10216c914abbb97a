"""Representations of whole data sets."""

import numpy as np
import tensorflow as tf

from supcon_tf.views import image_batches


def encode_all(encoder, source, *, batch_size=256):
    """Representations and labels of all images, centre-cropped, in order.

    The replicas of an encoder that was made in the scope of a strategy share
    the work; of several workers each does all of it.

    Args:
      encoder: Keras model, images `[B, H, W, C]` in [0, 1] -> `[B, R]`.
      source: `(images, labels)`, `LabelledImages` or a `tf.data.Dataset` of
        single `(image, label)` pairs; uint8 (0 to 255) or float (0 to 1).
      batch_size: int >= 1.

    Returns:
      `[n, R]` float32 and `[n]` integer arrays.
    """
    batches = batches_for(encoder, source, batch_size=batch_size)
    strategy = getattr(encoder, "distribute_strategy", None)  # on TensorFlow
    encode = encoder.predict_on_batch
    if strategy is not None and strategy.num_replicas_in_sync > 1:
        encode = _encode_on_replicas(encoder, strategy, batch_size)
    features, labels = [], []
    for images, batch_labels in batches:
        features.append(encode(images))
        labels.append(batch_labels.numpy())
    return np.concatenate(features).astype(np.float32), np.concatenate(labels)


def batches_for(encoder, source, *, batch_size):
    """Batches of images of the encoder's size, or of their own if it takes any.

    Args:
      encoder: as for `encode_all`.
      source: as for `encode_all`.
      batch_size: int >= 1.

    Returns:
      A `tf.data.Dataset` of `image_batches`.
    """
    input_shape = getattr(encoder, "input_shape", (None, None, None, None))
    image_size = None if None in input_shape[1:3] else input_shape[1:3]
    return image_batches(source, image_size=image_size, batch_size=batch_size)


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
