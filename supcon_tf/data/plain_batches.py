"""Batches of images for evaluation, by NumPy and Pillow, without TensorFlow."""

import functools

import numpy as np
from PIL import Image

from supcon_tf.augmentations.on_device.spatial import center_window
from supcon_tf.augmentations.pixels import check_pixels
from supcon_tf.augmentations.presets import checked_size, evaluation_padding


class PlainBatches:
    """One pass over labelled images in their order, all brought to one size.

    It is what `image_batches` makes off TensorFlow. Its images differ from
    those of TensorFlow by rounding, less than 1e-5.

    Args:
      source: `LabelledImages` whose images are an array, or which has a
        `decode` that is a plain function, to an array `[H, W, C]`.
      image_size: int or (height, width), in pixels, or None for images of one
        size, which they keep.
      batch_size: int >= 1. The last batch may be smaller.
      padding: as in `resize_then_crop`; 0 is `center_crop`.

    Example:
      >>> source = LabelledImages(images, labels, ())
      >>> batches = PlainBatches(source, image_size=16, batch_size=5, padding=0)
      >>> [batch.shape for batch, _ in batches]
      [(5, 16, 16, 3), (3, 16, 16, 3)]
    """

    def __init__(self, source, *, image_size, batch_size, padding):
        self._source = source
        self._size = None if image_size is None else checked_size(image_size)
        self._batch_size = batch_size
        self._padding = padding

    def cardinality(self):
        """The number of batches, an int."""
        return -(-len(self._source.images) // self._batch_size)

    def __len__(self):
        return self.cardinality()

    def __iter__(self):
        source = self._source
        for start in range(0, len(source.images), self._batch_size):
            rows = slice(start, start + self._batch_size)
            images = source.images[rows]
            if source.decode is not None:
                images = [source.decode(x) for x in images]
            yield self._of_one_size(images), np.asarray(source.labels[rows])

    def _of_one_size(self, images):
        """Images `[B, H, W, C]` or a list of B -> float32 `[B, h, w, C]`."""
        size, padding = self._size, self._padding
        if isinstance(images, np.ndarray):
            size = size or images.shape[1:3]
            if size == images.shape[1:3] and not evaluation_padding(
                padding, size
            ):
                return _in_unit_range(images)
        return np.stack(
            [brought_to_size(x, size or x.shape[:2], padding) for x in images]
        )


def brought_to_size(image, size, padding=0):
    """Resizes the centred window of one image, as `resize_then_crop`.

    Args:
      image: `[H, W, C]` uint8 in 0..255 or floats in [0, 1].
      size: (height, width) of the output, in pixels.
      padding: as in `resize_then_crop`.

    Returns:
      `[height, width, C]` float32 in [0, 1].

    Example:
      >>> brought_to_size(images[0], (16, 16)).shape
      (16, 16, 3)
    """
    check_pixels(image)
    padding = evaluation_padding(padding, size)
    height, width, channels = image.shape
    top, left, rows, columns = center_window(
        height, width, size=size, padding=padding
    )
    image = _in_unit_range(image[top : top + rows, left : left + columns])
    if image.shape[:2] == tuple(size):
        return image
    planes = [
        # Its bilinear kernel is a triangle, widened where the image shrinks.
        Image.fromarray(np.ascontiguousarray(image[..., c])).resize(
            (size[1], size[0]), Image.Resampling.BILINEAR
        )
        for c in range(channels)
    ]
    return np.clip(np.stack(planes, axis=-1, dtype=np.float32), 0.0, 1.0)


def padding_of(augmentation, known):
    """The padding of an augmentation without randomness; -1 for another.

    Args:
      augmentation: function, maybe inside a `functools.partial`.
      known: dict of names of augmentations to functions.

    Returns:
      An int >= 0, or None for that of `resize_then_crop`; -1 if it is neither
      `center_crop` nor `resize_then_crop`.
    """
    padding = None
    while isinstance(augmentation, functools.partial):
        padding = augmentation.keywords.get("padding", padding)
        augmentation = augmentation.func
    if augmentation is known["center_crop"]:
        return 0
    return padding if augmentation is known["resize_then_crop"] else -1


def _in_unit_range(images):
    """uint8 or floats -> float32 in [0, 1]."""
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images.astype(np.float32) / np.float32(255)
    return images.astype(np.float32)
