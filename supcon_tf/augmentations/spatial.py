"""Crop, flip, resize and blur, with parameters drawn per image.

All work on planes `[B, C, H, W]`, float32 in [0, 1], as planes.py tells. They
compute rows @ plane @ columns^T with one pair of matrices per image. That is
one batched matrix product for the rows and one for the columns, whatever each
image draws.
"""

import math

from supcon_tf.augmentations.planes import clip, on_some, uniform
from supcon_tf.augmentations.presets import (
    BLUR_SIGMA,
    CROP_ATTEMPTS,
    CROP_RATIO,
    FLIP_PROBABILITY,
    blur_radius,
)
from supcon_tf.frameworks.backends import tf


def random_windows(seeds, height, width, *, area=(0.08, 1.0), ratio=CROP_RATIO):
    """Draws one window of a random resized crop for each seed.

    Returns `[B, 4]` int32: top, left, height, width. `area` is the share of the
    image's area, and `ratio` is width / height, as (low, high) each.
    """
    # Each image has ten candidates, of uniform area and log-uniform ratio. The
    # first that fits is placed uniformly. If none fits, the window is the
    # largest centred one with the nearest allowed ratio. The crop is that of
    # Szegedy et al., Going Deeper with Convolutions, 2015. The ten attempts and
    # the centred window are those of torchvision's RandomResizedCrop.

    # In float64, since a last bit of exp or log must not move the window by a
    # pixel.
    attempts = CROP_ATTEMPTS
    # As many areas and ratios, and two positions.
    draws = uniform(seeds, "crop", 2 * attempts + 2)
    draws = tf.cast(draws, tf.float64)
    height = tf.cast(height, tf.float64)
    width = tf.cast(width, tf.float64)
    areas = area[0] + draws[:, :attempts] * (area[1] - area[0])
    pixels = areas * height * width  # [B, attempts]
    low, high = math.log(ratio[0]), math.log(ratio[1])
    ratios = draws[:, attempts : 2 * attempts]
    ratios = tf.exp(low + ratios * (high - low))
    heights = tf.round(tf.sqrt(pixels / ratios))
    widths = tf.round(tf.sqrt(pixels * ratios))

    fits = (
        (heights >= 1) & (heights <= height) & (widths >= 1) & (widths <= width)
    )
    largest_height = tf.round(tf.minimum(height, width / ratio[0]))
    largest_width = tf.round(tf.minimum(width, height * ratio[1]))
    # The last candidate always fits. argmax finds the first that does.
    last = tf.ones_like(draws[:, :1])
    fits = tf.concat([fits, last > 0], 1)
    heights = tf.concat([heights, last * tf.maximum(largest_height, 1.0)], 1)
    widths = tf.concat([widths, last * tf.maximum(largest_width, 1.0)], 1)
    first = tf.argmax(tf.cast(fits, tf.int32), axis=1)
    heights = tf.gather(heights, first, batch_dims=1)  # [B]
    widths = tf.gather(widths, first, batch_dims=1)

    centred = first == attempts
    top = tf.floor(draws[:, -2] * (height - heights + 1))
    left = tf.floor(draws[:, -1] * (width - widths + 1))
    top = tf.where(centred, tf.floor((height - heights) / 2), top)
    left = tf.where(centred, tf.floor((width - widths) / 2), left)
    return tf.cast(tf.stack([top, left, heights, widths], 1), tf.int32)


def center_window(height, width, *, size, padding=0):
    """Returns the largest centred window of the output's ratio, or its centre.

    It is `[1, 4]` int32, for the whole batch: top, left, height, width. With a
    padding it is the centre, of `size`, of what would be `size + padding`.
    """
    padded = size[0] + padding, size[1] + padding
    fitting_height = tf.maximum(width * padded[0] // padded[1], 1)
    fitting_width = tf.maximum(height * padded[1] // padded[0], 1)
    window_height = _rounded_share(
        tf.minimum(height, fitting_height), size[0], padded[0]
    )
    window_width = _rounded_share(
        tf.minimum(width, fitting_width), size[1], padded[1]
    )
    top = (height - window_height) // 2
    left = (width - window_width) // 2
    window = tf.stack([top, left, window_height, window_width])
    return tf.cast(window, tf.int32)[None]


def random_flips(seeds, *, probability=FLIP_PROBABILITY):
    """Draws which images to mirror left to right, `[B]` booleans."""
    return uniform(seeds, "flip", 1)[:, 0] < probability


def crop_and_resize(planes, windows, flips=None, *, size):
    """Cuts a window out of each image, mirrors it if told, and resizes it.

    It equals `tf.image.resize(window, size, "bilinear", antialias=True)`. The
    kernel is a triangle, widened when it shrinks the window, and it sees no
    pixel outside the window.

    Args:
      planes: `[B, C, H, W]` float32 in [0, 1].
      windows: `[B, 4]` or `[1, 4]` int32: top, left, height, width. They lie
        inside the image and are not empty.
      flips: `[B]` booleans, whether to mirror left to right; None mirrors none.
      size: (height, width) of the output, positive ints.

    Returns:
      `[B, C, height, width]` float32 in [0, 1].

    Example:
      >>> planes = tf.zeros([8, 3, 32, 32])
      >>> windows = tf.constant([[0, 10, 20, 20]])  # the same for all images
      >>> crop_and_resize(planes, windows, size=(16, 16)).shape
      TensorShape([8, 3, 16, 16])
    """
    top, left, heights, widths = tf.unstack(windows, axis=1)
    rows = _resize_matrix(top, heights, tf.shape(planes)[2], size[0])
    columns = _resize_matrix(left, widths, tf.shape(planes)[3], size[1])
    if flips is not None:
        columns = tf.where(flips[:, None, None], columns[:, ::-1], columns)
    return _rows_and_columns(planes, rows, columns)


def random_blur(planes, seeds, *, probability=0.5, sigma=BLUR_SIGMA):
    """Blurs some of the images by a Gaussian, with sigma drawn uniformly.

    Planes are `[B, C, H, W]` float32 in [0, 1], H and W statically known. Sigma
    is in pixels, 0 < low <= high. The defaults are those of SimCLR.
    """
    draws = uniform(seeds, "blur", 2)
    sigmas = sigma[0] + draws[:, 1] * (sigma[1] - sigma[0])
    radius = blur_radius(planes.shape[2:])

    def blurred(planes, sigmas):
        return blur(planes, sigmas, radius=radius)

    return on_some(draws[:, 0] < probability, blurred, planes, sigmas)


def blur(planes, sigmas, *, radius):
    """Blurs planes `[B, C, H, W]` by a Gaussian, sigmas `[B]` > 0 in pixels.

    The kernel has 2 * radius + 1 taps. It is cut off at the border and
    normalised again. SimCLR pads with zeros, which darkens the border, and
    torchvision reflects.
    """
    height, width = tf.unstack(tf.shape(planes)[2:])
    rows = _blur_matrix(sigmas, height, radius)
    columns = rows
    if planes.shape[2] is None or planes.shape[2] != planes.shape[3]:
        columns = _blur_matrix(sigmas, width, radius)
    blurred = _rows_and_columns(planes, rows, columns)
    return tf.ensure_shape(blurred, planes.shape)


def _rounded_share(length, part, whole):
    """Returns length * part / whole, rounded, at least 1, for integers."""
    return tf.maximum((2 * length * part + whole) // (2 * whole), 1)


def _resize_matrix(starts, lengths, pixels, outputs):
    """Returns weights that resize the pixels from starts to starts + lengths.

    They are `[B, outputs, pixels]`.
    """
    starts = tf.cast(starts, tf.float32)[:, None]  # [B, 1]
    lengths = tf.cast(lengths, tf.float32)[:, None]
    scale = lengths / outputs
    # The centres of the output pixels, in the source.  [B, outputs]
    centres = starts + (tf.range(outputs, dtype=tf.float32) + 0.5) * scale
    source = tf.range(tf.cast(pixels, tf.float32)) + 0.5  # [pixels]
    distance = tf.abs(source - centres[:, :, None])
    widened = tf.maximum(scale, 1.0)[:, :, None]
    inside = (source > starts) & (source < starts + lengths)  # [B, pixels]
    triangle = tf.nn.relu(1 - distance / widened)
    return _normalized(triangle * tf.cast(inside, tf.float32)[:, None])


def _blur_matrix(sigmas, pixels, radius):
    """Returns the Gaussian weights of the pixels within radius.

    They are `[B, pixels, pixels]`.
    """
    position = tf.range(tf.cast(pixels, tf.float32))
    distance = position - position[:, None]
    gaussian = tf.exp(-((distance / sigmas[:, None, None]) ** 2) / 2)
    return _normalized(tf.where(tf.abs(distance) <= radius, gaussian, 0.0))


def _normalized(weights):
    return weights / tf.reduce_sum(weights, axis=-1, keepdims=True)


def _rows_and_columns(planes, rows, columns):
    """Multiplies planes from both sides. The clip only undoes rounding."""
    batch = tf.shape(planes)[:2]
    planes = tf.matmul(_broadcast(rows, batch), planes)  # [B, C, h, W]
    planes = tf.matmul(planes, _broadcast(columns, batch), transpose_b=True)
    return clip(planes)


def _broadcast(matrices, batch):
    """Broadcasts `[B or 1, n, m]` to `[B, C, n, m]`.

    tf.matmul of TensorFlow 2.21 corrupts memory where it broadcasts itself
    (oneDNN; github.com/tensorflow/tensorflow/issues/123109).
    """
    shape = tf.concat([batch, tf.shape(matrices)[1:]], axis=0)
    return tf.broadcast_to(matrices[:, None], shape)
