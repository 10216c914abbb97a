"""The pipelines that only crop, and the random crop of all random pipelines.

A pipeline takes (images, seeds, image_size) and makes one view of each image.
Call it again with other seeds for another view of the same images.
"""

from typing import Any

from numpy.typing import ArrayLike

from supcon_tf.augmentations import spatial
from supcon_tf.augmentations.checks import checked_images, checked_seeds
from supcon_tf.augmentations.encoded_image import EncodedImage
from supcon_tf.augmentations.planes import to_images, to_planes
from supcon_tf.augmentations.presets import (
    DIGIT_AREA,
    checked_size,
    crop_area,
    evaluation_padding,
)
from supcon_tf.frameworks.backends import tf


def crop_flip(
    images: ArrayLike,
    seeds: ArrayLike,
    image_size: int | tuple[int, int],
    *,
    area: tuple[float, float] | None = None,
) -> Any:
    """Makes a random resized crop (ratio 3/4..4/3) and a flip, p 0.5.

    This is the usual augmentation of cross-entropy training and of linear
    evaluation.

    Args:
      images: `[B, H, W, C]` uint8 in 0..255 or floats in [0, 1], or an
        `EncodedImage`.
      seeds: `[B, 2]` int32 or int64.
      image_size: positive int, or (height, width), of the views.
      area: (low, high) share of the image that the crop covers,
        0 < low <= high <= 1. None takes (0.2, 1) for an output of up to 32
        pixels (CIFAR), else (0.08, 1) (ImageNet), as in `simclr`.

    Returns:
      `[B, height, width, C]` float32 in [0, 1].

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> seeds = tf.stack([tf.zeros(8, tf.int32), tf.range(8)], axis=1)
      >>> crop_flip(images, seeds, 24).shape
      TensorShape([8, 24, 24, 3])

    Reference:
      Szegedy et al., Going Deeper with Convolutions, 2015.
    """
    size = checked_size(image_size)
    return _random_views(images, seeds, size, area=area, flip=True)


def crop(
    images: ArrayLike,
    seeds: ArrayLike,
    image_size: int | tuple[int, int],
    *,
    area: tuple[float, float] = DIGIT_AREA,
) -> Any:
    """Makes a random resized crop (ratio 3/4..4/3) without a flip.

    It is for images whose meaning a mirror changes, such as digits and letters.

    Args:
      images: `[B, H, W, C]` uint8 in 0..255 or floats in [0, 1], or an
        `EncodedImage`.
      seeds: `[B, 2]` int32 or int64.
      image_size: positive int, or (height, width), of the views.
      area: (low, high) share of the image that the crop covers,
        0 < low <= high <= 1. The default begins at 0.5, since half a digit is
        still that digit.

    Returns:
      `[B, height, width, C]` float32 in [0, 1].

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> seeds = tf.stack([tf.zeros(8, tf.int32), tf.range(8)], axis=1)
      >>> crop(train.images[:8], seeds, 28).shape
      TensorShape([8, 28, 28, 3])
    """
    size = checked_size(image_size)
    return _random_views(images, seeds, size, area=area, flip=False)


def center_crop(
    images: ArrayLike,
    seeds: ArrayLike | None,
    image_size: int | tuple[int, int],
) -> Any:
    """Resizes the largest centred window with the output's ratio.

    It is for evaluation. The window leaves out no more than the ratio demands.
    An image that already has the size is only converted to float32 in [0, 1].

    Args:
      images: `[B, H, W, C]` uint8 in 0..255 or floats in [0, 1], or an
        `EncodedImage`.
      seeds: as in `resize_then_crop`.
      image_size: positive int, or (height, width), of the views.

    Returns:
      `[B, height, width, C]` float32 in [0, 1].

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> center_crop(test.images, None, 32).shape
      TensorShape([100, 32, 32, 3])
    """
    return resize_then_crop(images, seeds, image_size, padding=0)


def resize_then_crop(
    images: ArrayLike,
    seeds: ArrayLike | None,
    image_size: int | tuple[int, int],
    *,
    padding: int | None = None,
) -> Any:
    """Resizes to a little more than the output, and cuts out the centre.

    This is the usual evaluation on ImageNet, where the shorter side becomes 256
    and the centre of 224 is kept. Here it is one step: the centred window, in
    whole pixels, that is kept in the end is cut out first and then resized.

    Args:
      images: `[B, H, W, C]` uint8 in 0..255 or floats in [0, 1], or an
        `EncodedImage`.
      seeds: nothing is drawn from them. They are an argument so that all
        pipelines are called alike, and may be None. An `EncodedImage` gives as
        many equal views as there are seeds, and one with None.
      image_size: positive int, or (height, width), of the views.
      padding: int >= 0, pixels by which the image is resized larger than the
        output. None takes 0 for an output of up to 32 pixels (CIFAR), else 32.

    Returns:
      `[B, height, width, C]` float32 in [0, 1].

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> resize_then_crop(test.images, None, (48, 40)).shape
      TensorShape([100, 48, 40, 3])

    Reference:
      Official SupCon code, RESIZE_THEN_CROP with crop_padding 32.
    """
    images = checked_images(images)
    size = checked_size(image_size)
    padding = evaluation_padding(padding, size)

    def draw_window(height, width):
        return spatial.center_window(height, width, size=size, padding=padding)

    if isinstance(images, EncodedImage):
        view = images.crop_and_resize(draw_window, size=size)
        if seeds is not None:
            view = tf.repeat(view, tf.shape(seeds)[0], axis=0)
        return view
    planes = to_planes(images)
    if padding or tuple(planes.shape[2:]) != size:
        shape = tf.shape(planes)
        window = draw_window(shape[2], shape[3])
        planes = spatial.crop_and_resize(planes, window, size=size)
    return to_images(planes)


def random_crop(images, seeds, size, *, area, flip):
    """Checks the input and crops at random, as every random pipeline begins.

    Args:
      images: as in `crop_flip`.
      seeds: as in `crop_flip`.
      size: (height, width) of the views, positive ints.
      area: as in `crop_flip`.
      flip: bool, whether to mirror each view with probability 0.5.

    Returns:
      Planes `[B, C, height, width]` float32 in [0, 1].

    Raises:
      ValueError: if images, seeds or area are not as described.

    Example:
      >>> seeds = tf.stack([tf.zeros(8, tf.int32), tf.range(8)], axis=1)
      >>> random_crop(images, seeds, (24, 16), area=(0.5, 1), flip=True).shape
      TensorShape([8, 3, 24, 16])
    """
    if isinstance(images, EncodedImage):
        views = _random_views(images, seeds, size, area=area, flip=flip)
        return to_planes(views)
    images = checked_images(images)
    draw_windows, flips = _drawn(images, seeds, size, area, flip)
    planes = to_planes(images)
    shape = tf.shape(planes)
    windows = draw_windows(shape[2], shape[3])
    return spatial.crop_and_resize(planes, windows, flips, size=size)


def _random_views(images, seeds, size, *, area, flip):
    """As `random_crop`, but `[B, height, width, C]`."""
    if not isinstance(images, EncodedImage):
        planes = random_crop(images, seeds, size, area=area, flip=flip)
        return to_images(planes)
    draw_windows, flips = _drawn(images, seeds, size, area, flip)
    return images.crop_and_resize(draw_windows, flips, size=size)


def _drawn(images, seeds, size, area, flip):
    """A function (height, width) -> windows `[B, 4]`; and flips or None."""
    seeds = checked_seeds(seeds, images)
    area = crop_area(area, size)

    def draw_windows(height, width):
        return spatial.random_windows(seeds, height, width, area=area)

    return draw_windows, spatial.random_flips(seeds) if flip else None
