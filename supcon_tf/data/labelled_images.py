"""Images with integer labels, in memory or as files."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from supcon_tf.augmentations.planes import uniform


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """Images with integer labels, in memory or as files to decode.

    Attributes:
      images: `[n, H, W, C]` uint8 (0 to 255) or float (0 to 1), or `[n]`
        strings of which `decode` makes images or `read` the files of images.
      labels: `[n]` integers.
      class_names: names of the classes; label i is `class_names[i]`.
      decode: None, or a function of TensorFlow from one string to an image
        `[H, W, C]`; the images may differ in size.
      read: None, or a function of TensorFlow from one string to the contents
        of a JPEG, PNG, GIF or BMP file: `tf.io.read_file` where the strings are
        paths, `tf.identity` where they are contents. Of a JPEG file our
        augmentations decode their crop alone, which is faster than `decode`.

    Raises:
      ValueError: if both `decode` and `read` are given.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: Sequence[str]
    decode: Callable | None = None
    read: Callable | None = None

    def __post_init__(self):
        if self.decode is not None and self.read is not None:
            raise ValueError(
                "`decode` and `read` are two ways to make images of strings: "
                "give one. Received: both"
            )

    def __len__(self):
        return len(self.labels)

    def take(self, indices):
        """The images at `indices`."""
        return dataclasses.replace(
            self,
            images=self.images[indices],
            labels=self.labels[indices],
        )


def noisy_labels(labels, numbers, *, num_classes, probability, seed):
    """Replaces some labels by a class drawn uniformly.

    Args:
      labels: `[n]` integers.
      numbers: `[n]` integers that tell the images apart. The same number and
        seed, the same decision: in each epoch, in memory and in a stream.
      num_classes: int C >= 1; the class drawn is below it, and the true one in
        one of C cases.
      probability: float in [0, 1] that a label is replaced.
      seed: int.

    Returns:
      `[n]`, of the dtype of `labels`.

    Example:
      >>> noisy_labels(labels, tf.range(len(labels)), num_classes=10,
      ...     probability=0.2, seed=0)

    Reference:
      `label_noise_prob` of the official SupCon code.
    """
    numbers = tf.cast(numbers, tf.int64)
    seeds = tf.stack(
        [tf.fill(tf.shape(numbers), tf.constant(seed, tf.int64)), numbers],
        axis=1,
    )
    draws = uniform(seeds, "label noise", 2)
    # (float64: no product of a number below 1 is rounded up to C.)
    drawn = tf.cast(draws[:, 1], tf.float64) * num_classes
    drawn = tf.cast(drawn, labels.dtype)
    return tf.where(draws[:, 0] < probability, drawn, labels)
