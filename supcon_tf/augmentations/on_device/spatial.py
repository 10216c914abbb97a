"""Crop, flip, resize and blur of a batch, compiled into the training step.

They compute what ../spatial.py computes on the host, from the same draws. No
shape depends on a draw, so that XLA can compile it. Seeds are words `[B, 4]`,
as random_numbers.py makes them.
"""

import math

import keras
from keras import ops

from supcon_tf.augmentations.on_device.random_numbers import uniform
from supcon_tf.augmentations.presets import (
    BLUR_SIGMA,
    CROP_ATTEMPTS,
    CROP_RATIO,
    FLIP_PROBABILITY,
    blur_radius,
)


def random_windows(seeds, height, width, *, area, ratio=CROP_RATIO):
    """Draws one window of a random resized crop for each seed.

    Returns `[B, 4]` float32 of whole numbers: top, left, height, width. Height
    and width are those of the images, ints.
    """
    # See ../spatial.py for the rule. JAX has no float64, unless it is told. In
    # float32 the last bits of exp moved 32 windows in 10^6 by a pixel, in
    # images of 500 x 375 pixels.
    dtype = "float32" if keras.backend.backend() == "jax" else "float64"
    attempts = CROP_ATTEMPTS
    draws = ops.cast(uniform(seeds, "crop", 2 * attempts + 2), dtype)
    areas = area[0] + draws[:, :attempts] * (area[1] - area[0])
    pixels = areas * height * width  # [B, attempts]
    low, high = math.log(ratio[0]), math.log(ratio[1])
    ratios = ops.exp(low + draws[:, attempts:-2] * (high - low))
    heights = ops.round(ops.sqrt(pixels / ratios))
    widths = ops.round(ops.sqrt(pixels * ratios))
    fits = (
        (heights >= 1) & (heights <= height) & (widths >= 1) & (widths <= width)
    )

    # The first that fits, or the largest centred window of an allowed ratio.
    is_centred = ops.logical_not(ops.any(fits, axis=1))
    first = ops.argmax(ops.cast(fits, "int32"), axis=1)[:, None]

    def chosen(lengths, largest):
        length = ops.take_along_axis(lengths, first, axis=1)[:, 0]
        return ops.where(is_centred, ops.cast(max(largest, 1), dtype), length)

    def start(draw, whole, length):
        centred = ops.floor((whole - length) / 2)
        return ops.where(
            is_centred, centred, ops.floor(draw * (whole - length + 1))
        )

    heights = chosen(heights, round(min(height, width / ratio[0])))
    widths = chosen(widths, round(min(width, height * ratio[1])))
    top = start(draws[:, -2], height, heights)
    left = start(draws[:, -1], width, widths)
    return ops.cast(ops.stack([top, left, heights, widths], 1), "float32")


def center_window(height, width, *, size, padding):
    """The window of `../spatial.center_window`, four ints, for all images."""
    padded = size[0] + padding, size[1] + padding
    kept_height = min(height, max(width * padded[0] // padded[1], 1))
    kept_width = min(width, max(height * padded[1] // padded[0], 1))
    window_height = _rounded_share(kept_height, size[0], padded[0])
    window_width = _rounded_share(kept_width, size[1], padded[1])
    top = (height - window_height) // 2
    left = (width - window_width) // 2
    return top, left, window_height, window_width


def random_flips(seeds):
    """Draws which images to mirror left to right, `[B]` booleans."""
    return uniform(seeds, "flip", 1)[:, 0] < FLIP_PROBABILITY


def crop_and_resize(images, windows, flips=None, *, size, views=1):
    """Cuts V windows out of each image, mirrors and resizes them.

    `[B, H, W, C]` uint8 or floats, `[B * V, 4]` windows, `[B * V]` booleans ->
    planes `[B * V, C, *size]` float32 in [0, 1]. It is the antialiased bilinear
    resize of each window, as ../spatial.py tells.
    """
    height, width, channels = images.shape[1:]
    top, left, heights, widths = (windows[:, i] for i in range(4))
    rows = _resize_matrix(top, heights, height, size[0])
    columns = _resize_matrix(left, widths, width, size[1], flips)
    is_bytes = keras.backend.standardize_dtype(images.dtype) == "uint8"
    if is_bytes:
        rows = rows / 255.0  # a matrix is smaller than the images
    # All views and channels of an image are in one product.
    rows = ops.reshape(rows, (-1, views * size[0], height))
    pixels = ops.reshape(
        ops.cast(images, "float32"), (-1, height, width * channels)
    )
    resized = ops.matmul(rows, pixels)  # [B, V * h, W * C]
    resized = ops.reshape(resized, (-1, size[0], width, channels))
    planes = ops.transpose(resized, (0, 3, 1, 2))  # [B * V, C, h, W]
    planes = ops.reshape(planes, (-1, channels * size[0], width))
    planes = ops.matmul(planes, ops.transpose(columns, (0, 2, 1)))
    planes = ops.reshape(planes, (-1, channels, *size))
    return ops.clip(planes, 0.0, 1.0)  # only undoes rounding


def random_blur(planes, seeds, *, probability):
    """Blurs some of the planes `[B, C, H, W]` by a Gaussian of random sigma."""
    draws = uniform(seeds, "blur", 2)
    low, high = BLUR_SIGMA
    sigmas = low + draws[:, 1] * (high - low)
    is_blurred = draws[:, 0] < probability
    channels, height, width = planes.shape[1:]
    radius = blur_radius((height, width))
    rows, columns = (
        _blur_matrix(sigmas, is_blurred, side, radius)
        for side in (height, width)
    )
    planes = ops.reshape(planes, (-1, channels * height, width))
    planes = ops.matmul(planes, ops.transpose(columns, (0, 2, 1)))
    planes = ops.reshape(planes, (-1, channels, height, width))
    # The rows of each channel, all in one product.
    planes = ops.transpose(planes, (0, 2, 1, 3))  # [B, H, C, W]
    planes = ops.reshape(planes, (-1, height, channels * width))
    planes = ops.reshape(
        ops.matmul(rows, planes), (-1, height, channels, width)
    )
    return ops.clip(ops.transpose(planes, (0, 2, 1, 3)), 0.0, 1.0)


def _rounded_share(length, part, whole):
    """Returns length * part / whole, rounded, at least 1, for integers."""
    return max((2 * length * part + whole) // (2 * whole), 1)


def _resize_matrix(starts, lengths, pixels, outputs, flips=None):
    """Weights `[B, outputs, pixels]` that resize starts to starts + lengths."""
    starts, lengths = starts[:, None], lengths[:, None]  # [B, 1]
    scale = lengths / outputs
    centres = (ops.arange(outputs, dtype="float32") + 0.5) * scale
    if flips is not None:
        centres = ops.where(flips[:, None], lengths - centres, centres)
    centres = starts + centres  # of the outputs, in the source, [B, outputs]
    source = ops.arange(pixels, dtype="float32") + 0.5
    distance = ops.abs(source - centres[:, :, None])
    widened = ops.maximum(scale, 1.0)[:, :, None]
    inside = (source > starts) & (source < starts + lengths)  # [B, pixels]
    triangle = ops.relu(1 - distance / widened)
    return _normalized(triangle * ops.cast(inside, "float32")[:, None])


def _blur_matrix(sigmas, is_blurred, pixels, radius):
    """Weights `[B, pixels, pixels]`; those of the identity without a blur."""
    position = ops.arange(pixels, dtype="float32")
    distance = position - position[:, None]
    gaussian = ops.exp(-((distance / sigmas[:, None, None]) ** 2) / 2)
    near = ops.abs(distance) <= radius
    weights = _normalized(ops.where(near, gaussian, 0.0))
    identity = ops.eye(pixels, dtype="float32")
    return ops.where(is_blurred[:, None, None], weights, identity)


def _normalized(weights):
    return weights / ops.sum(weights, axis=-1, keepdims=True)
