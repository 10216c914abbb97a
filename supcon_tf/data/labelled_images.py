"""Images with integer labels, in memory or as files."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from supcon_tf.augmentations.planes import uniform
from supcon_tf.frameworks.backends import tf
from supcon_tf.labels import as_names


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """Images with integer labels, in memory or as files to decode.

    Attributes:
      images: `[n, H, W, C]` uint8 (0 to 255) or float (0 to 1), or `[n]`
        strings that `decode` turns into images or `read` into image files.
      labels: `[n]` integers.
      class_names: names of the classes, kept as a tuple. Label i is
        `class_names[i]`.
      decode: None, or a TensorFlow function from one string to an image
        `[H, W, C]`. The images may differ in size. Off TensorFlow it is a
        function of Python, to an array.
      held_out_of: None, or the folder from whose files these were held out,
        because it has no test images of its own.
      read: None, or a TensorFlow function from one string to the contents of a
        JPEG, PNG, GIF or BMP file. It is `tf.io.read_file` for paths and
        `tf.identity` for contents. This package's augmentations decode only
        their crop of a JPEG file, which is faster than `decode`.

    Raises:
      ValueError: if both `decode` and `read` are given.

    Example:
      >>> pets = LabelledImages(images, labels, ("cat", "dog", "cow", "hen"))
      >>> len(pets), pets.images.shape
      (8, (8, 32, 32, 3))
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: Sequence[str]
    decode: Callable | None = None
    read: Callable | None = None
    held_out_of: str | None = None

    def __post_init__(self):
        object.__setattr__(self, "class_names", as_names(self.class_names))
        if self.decode is not None and self.read is not None:
            raise ValueError(
                "`decode` and `read` are two ways to make images of strings: "
                "give one. Received: both"
            )

    def __len__(self):
        return len(self.labels)

    def take(self, indices: ArrayLike) -> "LabelledImages":
        """Selects images by their positions.

        Args:
          indices: `[m]` integers.

        Returns:
          `LabelledImages` of the m images at these positions.

        Example:
          >>> train.take(np.arange(5)).labels.shape
          (5,)
        """
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
        seed give the same decision in every epoch, in memory and in a stream.
      num_classes: int C >= 1. The class drawn is in [0, C), and in one of C
        cases it is the true one.
      probability: float in [0, 1], the probability that a label is replaced.
      seed: int.

    Returns:
      `[n]` labels of the dtype of `labels`.

    Example:
      >>> noisy_labels(
      ...     labels, tf.range(8), num_classes=4, probability=0.5, seed=0
      ... ).numpy().tolist()
      [0, 1, 3, 3, 1, 1, 2, 0]

    Reference:
      `label_noise_prob` of the official SupCon code.
    """
    numbers = tf.cast(numbers, tf.int64)
    seeds = tf.stack(
        [tf.fill(tf.shape(numbers), tf.constant(seed, tf.int64)), numbers],
        axis=1,
    )
    draws = uniform(seeds, "label noise", 2)
    # In float64, a number below 1 times C is never rounded up to C.
    drawn = tf.cast(draws[:, 1], tf.float64) * num_classes
    drawn = tf.cast(drawn, labels.dtype)
    return tf.where(draws[:, 0] < probability, drawn, labels)
