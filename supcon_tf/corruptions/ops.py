"""The kinds of corruption that draw no random numbers, one function each.

All take images `[n, H, W, 3]` uint8, a severity from 1 to 5 and `rng`, which
they do not use, and return images of the same shape and dtype. The constants
are those of make_cifar_c.py, with which the authors of CIFAR-10-C made it
(https://github.com/hendrycks/robustness, ImageNet-C/create_c). ImageNet-C, for
larger images, has other constants.
"""

import io
import numbers

import numpy as np
import scipy  # which loads its ndimage when it is first used
from PIL import Image


def gaussian_blur(images, severity, rng):
    """Blurs with a Gaussian, with a std of 0.4 to 1 pixels.

    The kernel is cut off at 4 stds. The pixels at the edge go on beyond it.
    """
    std = constant(severity, (0.4, 0.6, 0.7, 0.8, 1))
    x = images / 255
    return to_pixels(
        scipy.ndimage.gaussian_filter(
            x, (0, std, std, 0), mode="nearest", truncate=4
        )
    )


def defocus_blur(images, severity, rng):
    """Blurs with a disk that is itself blurred a little.

    The image is mirrored at its edge, and the edge pixels are not doubled.
    """
    # The disk is one pixel up to a radius of 0.5, a cross of five pixels at 1,
    # and a square of nine at 1.5.
    radius, std = constant(
        severity, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))
    )
    kernel = _disk(radius, std)[None, :, :, None]  # [1, 5, 5, 1]
    return to_pixels(
        scipy.ndimage.correlate(images / 255, kernel, mode="mirror")
    )


def zoom_blur(images, severity, rng):
    """Averages the image and its centre, zoomed in step by step.

    The zoom goes up to 1.06, 1.11, 1.15, 1.20 or 1.25 times, in steps of 0.01.
    """
    end = constant(severity, (1.06, 1.11, 1.16, 1.21, 1.26))
    # The first factor is 1, so the image counts twice. The end is not meant to
    # be a factor, but 1.06 and 1.11 are, since np.arange rounds, as it did in
    # make_cifar_c.py.
    factors = np.arange(1, end, 0.01)
    # In float32, as there, except for the sums within a zoom.
    x = (images / 255).astype(np.float32)
    exact, total = x.astype(np.float64), np.zeros_like(x)
    for factor in factors:
        zoomed = _zoomed(_zoomed(exact, 1, factor), 2, factor)
        total += zoomed.astype(np.float32)
    return to_pixels((x + total) / (len(factors) + 1))


def brightness(images, severity, rng):
    """Adds 5 % to 30 % of the range to the value of HSV."""
    addition = constant(severity, (0.05, 0.1, 0.15, 0.2, 0.3))
    hue, saturation, value = _to_hsv(images / 255)
    return to_pixels(_to_rgb(hue, saturation, np.clip(value + addition, 0, 1)))


def saturate(images, severity, rng):
    """Changes the saturation of HSV.

    Severities 1 and 2 take colour away, the others add some. Grey has hue 0, so
    it turns red at severities 4 and 5, which add to the saturation.
    """
    factor, addition = constant(
        severity, ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))
    )
    hue, saturation, value = _to_hsv(images / 255)
    saturation = np.clip(saturation * factor + addition, 0, 1)
    return to_pixels(_to_rgb(hue, saturation, value))


def contrast(images, severity, rng):
    """Moves the values towards the mean of their image and channel.

    The distance to the mean shrinks to 75 % at severity 1, and to 15 % at 5.
    """
    factor = constant(severity, (0.75, 0.5, 0.4, 0.3, 0.15))
    x = images / 255
    means = x.mean(axis=(1, 2), keepdims=True)
    return to_pixels((x - means) * factor + means)


def pixelate(images, severity, rng):
    """Shrinks and enlarges with the box filter of Pillow.

    The side shrinks to 95 % at severity 1, and to 65 % at severity 5.
    """
    factor = constant(severity, (0.95, 0.9, 0.85, 0.75, 0.65))
    size = images.shape[2], images.shape[1]  # Pillow: width, height
    small = tuple(int(length * factor) for length in size)

    def pixelated(image):
        image = Image.fromarray(image).resize(small, Image.Resampling.BOX)
        return np.asarray(image.resize(size, Image.Resampling.BOX))

    return np.stack([pixelated(image) for image in images])


def jpeg_compression(images, severity, rng):
    """Compresses with Pillow's JPEG, of quality 80 down to 40.

    The colours have half the resolution.
    """
    quality = constant(severity, (80, 65, 58, 50, 40))

    def compressed(image):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    return np.stack([compressed(image) for image in images])


def check_severity(severity):
    """Raises a ValueError unless a severity is an int from 1 to 5.

    Args:
      severity: any value; a bool is refused, too.

    Raises:
      ValueError: if it is not an int from 1 to 5.

    Example:
      >>> check_severity(6)
      Traceback (most recent call last):
      ValueError: `severity` must be an int from 1 to 5. Received: severity=6
    """
    if (
        not isinstance(severity, numbers.Integral)
        or isinstance(severity, bool)
        or not 1 <= severity <= 5
    ):
        raise ValueError(
            "`severity` must be an int from 1 to 5. "
            f"Received: severity={severity!r}"
        )


def constant(severity, constants):
    """Returns the one of five constants that belongs to a severity.

    Args:
      severity: int, 1 to 5.
      constants: sequence of five.

    Returns:
      Constant number `severity`, counted from 1.

    Raises:
      ValueError: if severity is not an int from 1 to 5.

    Example:
      >>> constant(2, (0.4, 0.6, 0.7, 0.8, 1))
      0.6
    """
    check_severity(severity)
    return constants[severity - 1]


def to_pixels(x):
    """Converts floats to uint8, and cuts off fractions, as in published files.

    Args:
      x: floats of any shape, with white at 1; clipped to [0, 1].

    Returns:
      uint8 of the same shape, in 0..255.

    Example:
      >>> to_pixels(np.array([-0.1, 0.5, 1.0]))
      array([  0, 127, 255], dtype=uint8)
    """
    return (np.clip(x, 0, 1) * 255).astype(np.uint8)


def _disk(radius, std):
    """Returns a disk of radius < 2, blurred over three pixels: `[5, 5]`, sum 1.

    It is float32, as OpenCV computes it. `to_pixels` cuts off fractions, so a
    sum of 1 - 1e-8 would make white 254.
    """
    squares = np.arange(-2, 3) ** 2
    disk = (squares[:, None] + squares <= radius**2).astype(np.float32)
    blur = np.exp(-(np.arange(-1, 2) ** 2) / (2 * std**2))
    blur = (blur / blur.sum()).astype(np.float32)
    disk /= disk.sum()
    for axis in (0, 1):
        disk = scipy.ndimage.correlate1d(disk, blur, axis, mode="constant")
    return disk


def _zoomed(x, axis, factor):
    """Zooms the centre of an axis to the length of the axis.

    It does as `scipy.ndimage.zoom` of order 1, cropped before and after. That
    decides which pixels are the centre; its first and last pixel remain so.
    """
    length = x.shape[axis]
    size = int(np.ceil(length / factor))
    zoomed = round(size * factor)
    first = (zoomed - length) // 2
    positions = np.arange(first, first + length) * ((size - 1) / (zoomed - 1))
    positions += (length - size) // 2
    before = positions.astype(int)
    after = np.minimum(before + 1, length - 1)
    shape = [length if i == axis else 1 for i in range(x.ndim)]
    share = (positions - before).reshape(shape)
    return (1 - share) * x.take(before, axis) + share * x.take(after, axis)


def _to_hsv(x):
    """Returns hue (0 is red), saturation, value in [0, 1], `[n, H, W]` each."""
    red, green, blue = np.moveaxis(x, -1, 0)
    value = x.max(axis=-1)
    spread = value - x.min(axis=-1)
    divisor = np.where(spread > 0, spread, 1)
    hue = np.select(
        [spread == 0, blue == value, green == value],
        [
            0,
            4 + (red - green) / divisor,
            2 + (blue - red) / divisor,
        ],
        (green - blue) / divisor,
    )
    saturation = spread / np.where(value > 0, value, 1)
    return hue / 6 % 1, saturation, value


def _to_rgb(hue, saturation, value):
    """Returns `[n, H, W, 3]`, as the inverse of `_to_hsv`."""
    sixth = np.floor(hue * 6)
    part = hue * 6 - sixth
    low = value * (1 - saturation)
    falling = value * (1 - part * saturation)
    rising = value * (1 - (1 - part) * saturation)
    sixth = sixth.astype(np.int8) % 6  # rounding may have made the hue 1
    red = np.choose(sixth, [value, falling, low, low, rising, value])
    green = np.choose(sixth, [rising, value, value, falling, low, low])
    blue = np.choose(sixth, [low, low, rising, value, value, falling])
    return np.stack([red, green, blue], axis=-1)
