"""The pipelines that only crop: (images, seeds, image_size) -> one view each.

For another view of the same images, call again with other seeds.
"""

import numpy as np
import tensorflow as tf

from supcon_tf.augmentations import spatial
from supcon_tf.augmentations.checks import (
    checked_images,
    checked_seeds,
    checked_size,
    is_small,
)
from supcon_tf.augmentations.encoded_image import EncodedImage
from supcon_tf.augmentations.planes import to_images, to_planes


def crop_flip(images, seeds, image_size, *, area=None):
    """Random resized crop (ratio 3/4..4/3) and flip p 0.5.

    The usual augmentation of cross-entropy training and of linear evaluation.

    Args:
      images: `[B, H, W, C]` uint8 in 0..255 or floats in [0, 1], or an
        `EncodedImage`.
      seeds: `[B, 2]` int32 or int64.
      image_size: positive int, or (height, width), of the views.
      area: (low, high) share of the image that the crop covers,
        0 < low <= high <= 1. None: (0.2, 1) for an output of up to 32 pixels
        (CIFAR), else (0.08, 1) (ImageNet), as in `simclr`.

    Returns:
      `[B, height, width, C]` float32 in [0, 1].

    Raises:
      ValueError: on any input not as described.

    Example:
      >>> views = crop_flip(images, seeds, 224)

    Reference:
      Szegedy et al., Going Deeper with Convolutions, 2015.
    """
    size = checked_size(image_size)
    return to_images(random_crop(images, seeds, size, area=area, flip=True))


def crop(images, seeds, image_size, *, area=(0.5, 1.0)):
    """Random resized crop (ratio 3/4..4/3) without a flip.

    For images whose meaning a mirror changes, such as digits and letters.

    Args:
      images: `[B, H, W, C]` uint8 in 0..255 or floats in [0, 1], or an
        `EncodedImage`.
      seeds: `[B, 2]` int32 or int64.
      image_size: positive int, or (height, width), of the views.
      area: (low, high) share of the image that the crop covers,
        0 < low <= high <= 1. From 0.5: half a digit is still that digit.

    Returns:
      `[B, height, width, C]` float32 in [0, 1].

    Raises:
      ValueError: on any input not as described.

    Example:
      >>> views = crop(digits, seeds, 28)
    """
    size = checked_size(image_size)
    return to_images(random_crop(images, seeds, size, area=area, flip=False))


def center_crop(images, seeds, image_size):
    """The largest centred window with the output's ratio, resized; for eval.

    Nothing is cut off beyond that ratio; an image that already has the size
    is only converted to float32 in [0, 1].

    Args:
      images: `[B, H, W, C]` uint8 in 0..255 or floats in [0, 1], or an
        `EncodedImage`, which gives one view.
      seeds: ignored, may be None; here so that all pipelines are called alike.
      image_size: positive int, or (height, width), of the views.

    Returns:
      `[B, height, width, C]` float32 in [0, 1].

    Raises:
      ValueError: on any input not as described.

    Example:
      >>> test_images = center_crop(images, None, 224)
    """
    return resize_then_crop(images, seeds, image_size, padding=0)


def resize_then_crop(images, seeds, image_size, *, padding=None):
    """Resizes to a little more than the output, and cuts out the centre.

    The usual evaluation on ImageNet: shorter side to 256, centre of 224. In
    one step: the centred window, in whole pixels, that this shows, resized.

    Args:
      images: `[B, H, W, C]` uint8 in 0..255 or floats in [0, 1], or an
        `EncodedImage`.
      seeds: as many as there are images, or None; of an `EncodedImage`, how
        many equal views to make, one with None. Nothing is drawn.
      image_size: positive int, or (height, width), of the views.
      padding: int >= 0, pixels by which the image is resized larger than the
        output. None: 0 for an output of up to 32 pixels (CIFAR), else 32.

    Returns:
      `[B, height, width, C]` float32 in [0, 1].

    Raises:
      ValueError: on any input not as described.

    Example:
      >>> test_images = resize_then_crop(images, None, 224)

    Reference:
      Official SupCon code, RESIZE_THEN_CROP with crop_padding 32.
    """
    images = checked_images(images)
    size = checked_size(image_size)
    if padding is None:
        padding = 0 if is_small(size) else 32
    if padding < 0:
        raise ValueError(f"`padding` must be >= 0. Received: padding={padding}")

    def draw_window(height, width):
        return spatial.center_window(height, width, size=size, padding=padding)

    if isinstance(images, EncodedImage):
        planes = images.crop_and_resize(draw_window, size=size)
        if seeds is not None:
            planes = tf.repeat(planes, tf.shape(seeds)[0], axis=0)
        return to_images(planes)
    planes = to_planes(images)
    if padding or tuple(planes.shape[2:]) != size:
        shape = tf.shape(planes)
        window = draw_window(shape[2], shape[3])
        planes = spatial.crop_and_resize(planes, window, size=size)
    return to_images(planes)


def random_crop(images, seeds, size, *, area, flip):
    """What every random pipeline begins with.

    Args:
      images: as for `crop_flip`.
      seeds: as for `crop_flip`.
      size: (height, width) of the views, positive ints.
      area: as for `crop_flip`.
      flip: bool, whether half of the views are mirrored.

    Returns:
      Planes `[B, C, height, width]` float32 in [0, 1].

    Raises:
      ValueError: if images, seeds or area are not as described.
    """
    images = checked_images(images)
    seeds = checked_seeds(seeds, images)
    if area is None:
        area = (0.2, 1.0) if is_small(size) else (0.08, 1.0)
    if np.shape(area) != (2,) or not 0 < area[0] <= area[1] <= 1:
        raise ValueError(
            "`area` must be (low, high) with 0 < low <= high <= 1. "
            f"Received: area={area}"
        )

    def draw_windows(height, width):
        return spatial.random_windows(seeds, height, width, area=area)

    flips = spatial.random_flips(seeds) if flip else None
    if isinstance(images, EncodedImage):
        return images.crop_and_resize(draw_windows, flips, size=size)
    planes = to_planes(images)
    shape = tf.shape(planes)
    windows = draw_windows(shape[2], shape[3])
    return spatial.crop_and_resize(planes, windows, flips, size=size)
