"""The kinds of corruption that draw no random numbers, one function each.

All take `(images, severity, rng)` and return images of the same shape. The
constants are those of make_cifar_c.py, with which the authors of CIFAR-10-C
made it (https://github.com/hendrycks/robustness, ImageNet-C/create_c). Those
of ImageNet-C, for larger images, are others.
"""

import io
import numbers

import numpy as np
from PIL import Image
from scipy import ndimage


def gaussian_blur(images, severity, rng):
    """Blurs with a Gaussian, cut off at 4 standard deviations.

    Args:
      images: `[n, H, W, 3]` uint8; the pixels at the edge go on beyond it.
      severity: int, 1 to 5: standard deviation of 0.4 to 1 pixels.
      rng: not used.

    Returns:
      `[n, H, W, 3]` uint8.
    """
    std = constant(severity, (0.4, 0.6, 0.7, 0.8, 1))
    x = images / 255
    return to_pixels(
        ndimage.gaussian_filter(x, (0, std, std, 0), mode="nearest", truncate=4)
    )


def defocus_blur(images, severity, rng):
    """Blurs with a disk that is itself blurred a little.

    Args:
      images: `[n, H, W, 3]` uint8; mirrored at the edge, which is not doubled.
      severity: int, 1 to 5: a disk of radius 0.3 (one pixel), 0.4, 0.5, 1 (a
        cross of five) or 1.5 (a square of nine).
      rng: not used.

    Returns:
      `[n, H, W, 3]` uint8.
    """
    radius, std = constant(
        severity, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))
    )
    kernel = _disk(radius, std)[None, :, :, None]  # [1, 5, 5, 1]
    return to_pixels(ndimage.correlate(images / 255, kernel, mode="mirror"))


def zoom_blur(images, severity, rng):
    """The mean of the image and of its centre, zoomed in step by step.

    Args:
      images: `[n, H, W, 3]` uint8.
      severity: int, 1 to 5: up to 1.06, 1.11, 1.15, 1.20 or 1.25 times, in
        steps of 0.01.
      rng: not used.

    Returns:
      `[n, H, W, 3]` uint8.
    """
    end = constant(severity, (1.06, 1.11, 1.16, 1.21, 1.26))
    # The first factor is 1, so the image counts twice. The end is not meant to
    # be one of them, but 1.06 and 1.11 are: np.arange rounds, as it did there.
    factors = np.arange(1, end, 0.01)
    # In float32, as there, but for the sums of a zoom.
    x = (images / 255).astype(np.float32)
    exact, total = x.astype(np.float64), np.zeros_like(x)
    for factor in factors:
        zoomed = _zoomed(_zoomed(exact, 1, factor), 2, factor)
        total += zoomed.astype(np.float32)
    return to_pixels((x + total) / (len(factors) + 1))


def brightness(images, severity, rng):
    """Adds to the value of HSV.

    Args:
      images: `[n, H, W, 3]` uint8.
      severity: int, 1 to 5: 5 % to 30 % of the range.
      rng: not used.

    Returns:
      `[n, H, W, 3]` uint8.
    """
    addition = constant(severity, (0.05, 0.1, 0.15, 0.2, 0.3))
    hue, saturation, value = _to_hsv(images / 255)
    return to_pixels(_to_rgb(hue, saturation, np.clip(value + addition, 0, 1)))


def saturate(images, severity, rng):
    """Changes the saturation of HSV, s: to 0.3 s, 0.1 s, 1.5 s, 2 s + 0.1 ...

    Severities 1 and 2 take colour away, the others add some. Grey is of hue 0:
    at severities 4 and 5 it turns red.

    Args:
      images: `[n, H, W, 3]` uint8.
      severity: int, 1 to 5; 5 is 2.5 s + 0.2.
      rng: not used.

    Returns:
      `[n, H, W, 3]` uint8.
    """
    factor, addition = constant(
        severity, ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))
    )
    hue, saturation, value = _to_hsv(images / 255)
    saturation = np.clip(saturation * factor + addition, 0, 1)
    return to_pixels(_to_rgb(hue, saturation, value))


def contrast(images, severity, rng):
    """Moves the values towards the mean of their image and channel.

    Args:
      images: `[n, H, W, 3]` uint8.
      severity: int, 1 to 5: to 75 % down to 15 % of the distance.
      rng: not used.

    Returns:
      `[n, H, W, 3]` uint8.
    """
    factor = constant(severity, (0.75, 0.5, 0.4, 0.3, 0.15))
    x = images / 255
    means = x.mean(axis=(1, 2), keepdims=True)
    return to_pixels((x - means) * factor + means)


def pixelate(images, severity, rng):
    """Shrinks and enlarges with the box filter of Pillow.

    Args:
      images: `[n, H, W, 3]` uint8.
      severity: int, 1 to 5: to 95 % down to 65 % of the side.
      rng: not used.

    Returns:
      `[n, H, W, 3]` uint8.
    """
    factor = constant(severity, (0.95, 0.9, 0.85, 0.75, 0.65))
    size = images.shape[2], images.shape[1]  # Pillow: width, height
    small = tuple(int(length * factor) for length in size)

    def pixelated(image):
        image = Image.fromarray(image).resize(small, Image.Resampling.BOX)
        return np.asarray(image.resize(size, Image.Resampling.BOX))

    return np.stack([pixelated(image) for image in images])


def jpeg_compression(images, severity, rng):
    """Compresses with Pillow's JPEG, colours at half the resolution.

    Args:
      images: `[n, H, W, 3]` uint8.
      severity: int, 1 to 5: quality 80 down to 40.
      rng: not used.

    Returns:
      `[n, H, W, 3]` uint8.
    """
    quality = constant(severity, (80, 65, 58, 50, 40))

    def compressed(image):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    return np.stack([compressed(image) for image in images])


def check_severity(severity):
    """Raises a ValueError unless it is an int from 1 to 5."""
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
    """The one of five constants that belongs to a severity."""
    check_severity(severity)
    return constants[severity - 1]


def to_pixels(x):
    """Floats to uint8. Fractions are cut off, as in the published files."""
    return (np.clip(x, 0, 1) * 255).astype(np.uint8)


def _disk(radius, std):
    """`[5, 5]`, sum 1: a disk of radius < 2, blurred over three pixels.

    In float32, as OpenCV computes it: where fractions are cut off, a sum of
    1 - 1e-8 would make white 254.
    """
    squares = np.arange(-2, 3) ** 2
    disk = (squares[:, None] + squares <= radius**2).astype(np.float32)
    blur = np.exp(-(np.arange(-1, 2) ** 2) / (2 * std**2))
    blur = (blur / blur.sum()).astype(np.float32)
    disk /= disk.sum()
    for axis in (0, 1):
        disk = ndimage.correlate1d(disk, blur, axis, mode="constant")
    return disk


def _zoomed(x, axis, factor):
    """The centre of an axis, zoomed to its length.

    Which pixels are the centre, and that its first and last pixel remain so,
    is `scipy.ndimage.zoom` of order 1, cropped before and after.
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
    """Hue, saturation and value in [0, 1], each `[n, H, W]`; hue 0 is red."""
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
    """`[n, H, W, 3]`, the inverse of `_to_hsv`."""
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
