"""The colour operations of SimCLR, in one order for the whole batch.

They compute what ../color.py computes on the host, from the same draws. There,
an image whose hue does not turn at a place in the order is left out. Here all
images take the same way, three mixtures of the channels, the hue, and three
mixtures again. An image uses those that come before and after its hue in its
own order, and the others leave it as it is.
"""

import numpy as np
from keras import ops

from supcon_tf.augmentations.on_device.random_numbers import uniform
from supcon_tf.augmentations.presets import (
    GRAY,
    GRAYSCALE_PROBABILITY,
    JITTER_PROBABILITY,
    jitter_ranges,
)

_SAME = np.array([1, 0, 0, 0], np.float32)  # a mixture that changes nothing


def random_color_jitter(planes, seeds, *, strength, additive_brightness=False):
    """Changes brightness, contrast, saturation, hue; in random order per image.

    Planes `[B, C, H, W]` float32 in [0, 1], C = 1 or 3, and words `[B, 4]` ->
    the same planes. The arguments are those of `simclr`.
    """
    mixtures, shifts, order = jitter_parameters(
        seeds, strength=strength, additive_brightness=additive_brightness
    )
    return adjust_colors(planes, mixtures, shifts, order)


def jitter_parameters(seeds, *, strength, additive_brightness=False):
    """Draws what `adjust_colors` applies, as `../color.jitter_parameters`.

    Returns float32 mixtures `[B, 3, 4]` of brightness, contrast, saturation,
    shifts of the hue `[B]`, and int32 order `[B, 4]`, in which 3 is the hue.
    """
    low, high, largest, turn = jitter_ranges(strength)
    draws = uniform(seeds, "jitter", 9)
    factors = low + draws[:, 1:4] * (high - low)
    brightness, contrast, saturation = (factors[:, i] for i in range(3))
    zero, one = ops.zeros_like(brightness), ops.ones_like(brightness)
    # With gray(x) of ITU-R 601, and a clip to [0, 1] after each step:
    #   brightness: f * x, or x + f if it is additive
    #   contrast:   f * x + (1 - f) * mean(gray(x))
    #   saturation: f * x + (1 - f) * gray(x)
    # So each of them is a * x + g * gray(x) + m * mean(gray(x)) + c.
    scaled, added = brightness, zero
    if additive_brightness:
        scaled, added = one, largest * (2 * draws[:, 1] - 1)
    mixtures = ops.stack(
        [
            ops.stack([scaled, zero, zero, added], 1),
            ops.stack([contrast, zero, 1 - contrast, zero], 1),
            ops.stack([saturation, 1 - saturation, zero, zero], 1),
        ],
        axis=1,
    )
    is_jittered = draws[:, 0] < JITTER_PROBABILITY
    shifts = turn * (2 * draws[:, 4] - 1)
    return (
        ops.where(is_jittered[:, None, None], mixtures, _SAME),
        ops.where(is_jittered, shifts, 0.0),
        ops.cast(ops.argsort(draws[:, 5:9], axis=1), "int32"),
    )


def adjust_colors(planes, mixtures, shifts, order):
    """Adjusts the colours of planes `[B, C, H, W]`, in a given order per image.

    Mixtures `[B, 3, 4]` have rows (a, g, m, c), as in `jitter_parameters`.
    Shifts `[B]` lie in [-0.5, 0.5], and order `[B, 4]` permutes 0..3.
    """
    place = ops.argmax(ops.cast(order == 3, "int32"), axis=1)[:, None]  # [B, 1]
    # The order without the hue, [B, 3], and which of it come before the hue.
    position = ops.arange(3, dtype="int32")
    is_before = position < place
    number = ops.take_along_axis(
        order, position + ops.cast(position >= place, "int32"), axis=1
    )
    mixtures = ops.take_along_axis(mixtures, number[:, :, None], axis=1)
    planes = _mixed(planes, ops.where(is_before[:, :, None], mixtures, _SAME))
    if planes.shape[1] == 3:  # a grey image has no hue
        planes = shift_hue(planes, shifts)
    return _mixed(planes, ops.where(is_before[:, :, None], _SAME, mixtures))


def _mixed(planes, mixtures):
    """Mixes the channels of planes three times, by `[B, 3, 4]` mixtures.

    The loop is one for XLA, too. It would else compute each mixture anew for
    each use of its result, and for each use of that one's.
    """
    mixtures = ops.transpose(mixtures, (1, 0, 2))
    return ops.fori_loop(
        0, 3, lambda i, planes: _mix_channels(planes, mixtures[i]), planes
    )


def shift_hue(planes, shifts):
    """Turns the hue (of HSV) of each image, and keeps value and saturation.

    `[B, 3, H, W]` float32 in [0, 1] and shifts `[B]` in [-0.5, 0.5], where 1 is
    the whole circle -> `[B, 3, H, W]`. A shift of 0 changes nothing.
    """
    red, green, blue = (planes[:, i] for i in range(3))  # [B, H, W] each
    high = ops.maximum(ops.maximum(red, green), blue)
    low = ops.minimum(ops.minimum(red, green), blue)
    chroma = high - low
    # Hue in sixths of the circle: red 0, green 2, blue 4.
    hue = ops.where(
        red >= high,
        green - blue,
        ops.where(
            green >= high,
            blue - red + 2 * chroma,
            red - green + 4 * chroma,
        ),
    ) / ops.where(chroma > 0, chroma, 1.0)
    hue = hue + 6 * shifts[:, None, None]
    hue = hue - 6 * ops.floor(hue / 6)  # back to 0..6
    pure = (
        ops.abs(hue - 3) - 1,
        2 - ops.abs(hue - 2),
        2 - ops.abs(hue - 4),
    )
    turned = ops.stack(
        [low + chroma * ops.clip(p, 0.0, 1.0) for p in pure], axis=1
    )
    return ops.where((shifts == 0)[:, None, None, None], planes, turned)


def random_grayscale(planes, seeds):
    """Makes some of the planes `[B, C, H, W]` grey, and keeps all channels."""
    is_gray = uniform(seeds, "grayscale", 1)[:, 0] < GRAYSCALE_PROBABILITY
    gray = ops.minimum(_gray(planes), 1.0)[:, None]
    return ops.where(is_gray[:, None, None, None], gray, planes)


def _gray(planes):
    """The grey of planes `[B, C, H, W]`: `[B, H, W]`."""
    if planes.shape[1] == 1:
        return planes[:, 0]
    return sum(weight * planes[:, i] for i, weight in enumerate(GRAY))


def _mix_channels(planes, mixture):
    """Computes a x + g gray(x) + m mean(gray(x)) + c, clipped to [0, 1].

    Each row of `mixture` `[B, 4]` is (a, g, m, c).
    """
    a, g, m, c = (mixture[:, i, None, None] for i in range(4))  # [B, 1, 1]
    gray = _gray(planes)
    mean = ops.mean(gray, axis=(1, 2), keepdims=True)
    added = g * gray + (m * mean + c)
    return ops.clip(a[:, None] * planes + added[:, None], 0.0, 1.0)
