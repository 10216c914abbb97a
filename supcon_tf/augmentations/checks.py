"""What every pipeline checks of its input, once."""

import operator

import tensorflow as tf

from supcon_tf.augmentations.encoded_image import EncodedImage


def checked_images(images):
    """`[B, H, W, C]` uint8 or floats as a tensor, or an `EncodedImage`."""
    if isinstance(images, EncodedImage):
        return images
    images = tf.convert_to_tensor(images)
    if images.shape.rank != 4:
        raise ValueError(
            "`images` must have the shape [B, H, W, C]. "
            f"Received: shape={images.shape}"
        )
    if images.dtype != tf.uint8 and not images.dtype.is_floating:
        raise ValueError(
            "`images` must be uint8 in 0..255 or floats in [0, 1]. "
            f"Received: dtype={images.dtype.name}"
        )
    return images


def checked_seeds(seeds, images):
    """`[B, 2]` int32 or int64 as a tensor; any B for an `EncodedImage`."""
    seeds = tf.convert_to_tensor(seeds)
    encoded = isinstance(images, EncodedImage)
    rows = tf.TensorShape([None if encoded else images.shape[0], 2])
    if seeds.dtype not in (tf.int32, tf.int64) or not (
        rows.is_compatible_with(seeds.shape)
    ):
        raise ValueError(
            f"`seeds` must be int32 or int64 of shape {rows}. "
            f"Received: {seeds.dtype.name} of shape {seeds.shape}"
        )
    return seeds


def checked_size(image_size, name="image_size"):
    """A positive int, or two of them, as (height, width)."""
    sides = image_size
    if not isinstance(sides, (tuple, list, tf.TensorShape)):
        sides = (image_size, image_size)
    try:
        size = tuple(operator.index(side) for side in sides)
    except TypeError:  # not an int
        size = ()
    if len(size) != 2 or min(size) < 1:
        raise ValueError(
            f"`{name}` must be a positive int or a pair of them. "
            f"Received: {name}={image_size}"
        )
    return size


def is_small(size):
    """Whether an output is as small as CIFAR's, by its longer side."""
    return max(size) <= 32
