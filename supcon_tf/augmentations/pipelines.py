"""The augmentation pipelines: (images, seeds, image_size) -> one view each.

For another view of the same images, call again with other seeds.
"""

import operator

import numpy as np
import tensorflow as tf

from supcon_tf.augmentations import color, ops, spatial


def simclr(
    images,
    seeds,
    image_size,
    *,
    strength=None,
    area=None,
    blur_probability=None,
):
    """SimCLR: crop, flip, colour jitter, greyscale and blur, each random.

    In this order: random resized crop (`area`, ratio 3/4..4/3), flip p 0.5,
    colour jitter p 0.8 (`strength`), greyscale p 0.2, Gaussian blur
    (`blur_probability`, sigma 0.1..2 pixels).

    What is None comes from the published presets, by the longer output side:

        | output side       | strength | area      | blur_probability |
        | up to 32 (CIFAR)  | 0.5      | (0.2, 1)  | 0                |
        | above (ImageNet)  | 1.0      | (0.08, 1) | 0.5              |

    Args:
      images: `[B, H, W, C]` uint8 in 0..255 or floats in [0, 1]; C = 1 or 3,
        statically known; B, H and W may be unknown.
      seeds: `[B, 2]` int32 or int64. A view depends only on its own image and
        seed, up to float32 rounding.
      image_size: positive int, or (height, width), of the views.
      strength: float in [0, 2.5], of the colour jitter.
      area: (low, high) share of the image that the crop covers,
        0 < low <= high <= 1.
      blur_probability: float in [0, 1].

    Returns:
      `[B, height, width, C]` float32 in [0, 1].

    Raises:
      ValueError: on any input not as described.

    Example:
      >>> seeds = tf.stack([tf.fill([64], epoch), tf.range(64)], axis=1)
      >>> views = simclr(images, seeds, 32)

    Reference:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, appendix A (ImageNet: strength 1) and B.9 (CIFAR:
      strength 0.5, no blur). Area 0.2..1, the torchvision-like jitter and
      bilinear resizing: official SupCon code, presets for CIFAR.
    """
    images, seeds, size = _checked(images, seeds, image_size)
    if strength is None:
        strength = 0.5 if _is_small(size) else 1.0
    if blur_probability is None:
        blur_probability = 0.0 if _is_small(size) else 0.5
    if not 0 <= blur_probability <= 1:
        raise ValueError(
            "`blur_probability` must be in [0, 1]. "
            f"Received: blur_probability={blur_probability}"
        )

    planes = _random_crop(images, seeds, size, area=area, flip=True)
    planes = color.random_color_jitter(planes, seeds, strength=strength)
    planes = color.random_grayscale(planes, seeds)
    if blur_probability > 0:
        planes = spatial.random_blur(
            planes, seeds, probability=blur_probability
        )
    return ops.to_images(planes)


def crop_flip(images, seeds, image_size, *, area=None):
    """Random resized crop (ratio 3/4..4/3) and flip p 0.5.

    The usual augmentation of cross-entropy training and of linear evaluation.

    Args:
      images: `[B, H, W, C]` uint8 in 0..255 or floats in [0, 1].
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
    images, seeds, size = _checked(images, seeds, image_size)
    return ops.to_images(
        _random_crop(images, seeds, size, area=area, flip=True)
    )


def crop(images, seeds, image_size, *, area=(0.5, 1.0)):
    """Random resized crop (ratio 3/4..4/3) without a flip.

    For images whose meaning a mirror changes, such as digits and letters.

    Args:
      images: `[B, H, W, C]` uint8 in 0..255 or floats in [0, 1].
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
    images, seeds, size = _checked(images, seeds, image_size)
    return ops.to_images(
        _random_crop(images, seeds, size, area=area, flip=False)
    )


def center_crop(images, seeds, image_size):
    """The largest centred window with the output's ratio, resized; for eval.

    Nothing is cut off beyond that ratio; an image that already has the size
    is only converted to float32 in [0, 1].

    Args:
      images: `[B, H, W, C]` uint8 in 0..255 or floats in [0, 1].
      seeds: ignored, may be None; here so that all pipelines are called alike.
      image_size: positive int, or (height, width), of the views.

    Returns:
      `[B, height, width, C]` float32 in [0, 1].

    Raises:
      ValueError: on any input not as described.

    Example:
      >>> test_images = center_crop(images, None, 224)
    """
    del seeds
    images = _checked_images(images)
    size = _checked_size(image_size)
    planes = ops.to_planes(images)
    if tuple(planes.shape[2:]) != size:
        shape = tf.shape(planes)
        window = spatial.center_window(shape[2], shape[3], size=size)
        planes = spatial.crop_and_resize(planes, window, size=size)
    return ops.to_images(planes)


def _random_crop(images, seeds, size, *, area, flip):
    """Planes `[B, C, height, width]` of one random window per image."""
    if area is None:
        area = (0.2, 1.0) if _is_small(size) else (0.08, 1.0)
    if np.shape(area) != (2,) or not 0 < area[0] <= area[1] <= 1:
        raise ValueError(
            "`area` must be (low, high) with 0 < low <= high <= 1. "
            f"Received: area={area}"
        )
    planes = ops.to_planes(images)
    shape = tf.shape(planes)
    windows = spatial.random_windows(seeds, shape[2], shape[3], area=area)
    flips = spatial.random_flips(seeds) if flip else None
    return spatial.crop_and_resize(planes, windows, flips, size=size)


def _is_small(size):
    return max(size) <= 32


def _checked(images, seeds, image_size):
    images = _checked_images(images)
    seeds = tf.convert_to_tensor(seeds)
    rows = tf.TensorShape([images.shape[0], 2])
    if seeds.dtype not in (tf.int32, tf.int64) or not (
        rows.is_compatible_with(seeds.shape)
    ):
        raise ValueError(
            f"`seeds` must be int32 or int64 of shape {rows}. "
            f"Received: {seeds.dtype.name} of shape {seeds.shape}"
        )
    return images, seeds, _checked_size(image_size)


def _checked_images(images):
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


def _checked_size(image_size):
    sides = image_size
    if not isinstance(sides, (tuple, list, tf.TensorShape)):
        sides = (image_size, image_size)
    try:
        size = tuple(operator.index(side) for side in sides)
    except TypeError:  # not an int
        size = ()
    if len(size) != 2 or min(size) < 1:
        raise ValueError(
            "`image_size` must be a positive int or a pair of them. "
            f"Received: image_size={image_size}"
        )
    return size
