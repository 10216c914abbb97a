"""The pipelines that the device has, with the names of those on the host.

A pipeline takes (images, seeds, image_size) and makes V views of each image,
where V is the number of seeds of an image. The keyword arguments are those of
the pipeline of the same name in ../pipelines.py and ../crops.py, which tell
what they are; the tests compare the signatures.
"""

from keras import ops

from supcon_tf.augmentations.on_device import color, spatial
from supcon_tf.augmentations.presets import (
    DIGIT_AREA,
    blur_share,
    checked_size,
    crop_area,
    evaluation_padding,
    jitter_ranges,
    jitter_strength,
)


def simclr(
    images,
    seeds,
    image_size,
    *,
    strength=None,
    area=None,
    blur_probability=None,
    additive_brightness=False,
    views=1,
):
    """Makes views as `augmentations.simclr`: crop, flip, colours and blur."""
    size = checked_size(image_size)
    strength = jitter_strength(strength, size)
    blur_probability = blur_share(blur_probability, size)
    planes = _random_crop(images, seeds, size, area, views, flip=True)
    planes = color.random_color_jitter(
        planes,
        seeds,
        strength=strength,
        additive_brightness=additive_brightness,
    )
    planes = color.random_grayscale(planes, seeds)
    if blur_probability > 0:
        planes = spatial.random_blur(
            planes, seeds, probability=blur_probability
        )
    return _to_images(planes)


def crop_flip(images, seeds, image_size, *, area=None, views=1):
    """Makes views as `augmentations.crop_flip`: random resized crop, flip."""
    size = checked_size(image_size)
    return _to_images(_random_crop(images, seeds, size, area, views, flip=True))


def crop(images, seeds, image_size, *, area=DIGIT_AREA, views=1):
    """Makes views as `augmentations.crop`: a random resized crop alone."""
    size = checked_size(image_size)
    return _to_images(
        _random_crop(images, seeds, size, area, views, flip=False)
    )


def center_crop(images, seeds, image_size, *, views=1):
    """Makes V equal views as `augmentations.center_crop`."""
    return resize_then_crop(images, seeds, image_size, padding=0, views=views)


def resize_then_crop(images, seeds, image_size, *, padding=None, views=1):
    """Makes V equal views as `augmentations.resize_then_crop`."""
    del seeds  # nothing is drawn
    size = checked_size(image_size)
    padding = evaluation_padding(padding, size)
    height, width = images.shape[1:3]
    window = spatial.center_window(height, width, size=size, padding=padding)
    windows = ops.cast([window], "float32") + ops.zeros(
        (ops.shape(images)[0], 1)
    )
    planes = spatial.crop_and_resize(images, windows, size=size)
    return ops.repeat(_to_images(planes), views, axis=0)


PIPELINES = {
    "simclr": simclr,
    "crop_flip": crop_flip,
    "crop": crop,
    "center_crop": center_crop,
    "resize_then_crop": resize_then_crop,
}


def check_options(
    image_size,
    *,
    area=None,
    strength=None,
    blur_probability=None,
    padding=None,
    additive_brightness=False,
):
    """Refuses options of a pipeline that are out of their range.

    Args:
      image_size: positive int, or (height, width), of the views.
      area: as in `augmentations.simclr`, as are the following.
      strength: float, or None.
      blur_probability: float, or None.
      padding: as in `augmentations.resize_then_crop`.
      additive_brightness: whatever is true or false.

    Raises:
      ValueError: if one is.
    """
    del additive_brightness
    size = checked_size(image_size)
    crop_area(area, size)
    jitter_ranges(jitter_strength(strength, size))
    blur_share(blur_probability, size)
    evaluation_padding(padding, size)


def _random_crop(images, seeds, size, area, views, *, flip):
    """Planes `[B * V, C, *size]` of random windows of images `[B, H, W, C]`."""
    area = crop_area(area, size)
    height, width = images.shape[1:3]
    windows = spatial.random_windows(seeds, height, width, area=area)
    flips = spatial.random_flips(seeds) if flip else None
    return spatial.crop_and_resize(
        images, windows, flips, size=size, views=views
    )


def _to_images(planes):
    """Planes `[B, C, H, W]` -> images `[B, H, W, C]`."""
    return ops.transpose(planes, (0, 2, 3, 1))
