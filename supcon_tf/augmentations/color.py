"""The colour operations of SimCLR, as torchvision computes them.

All work on planes `[B, C, H, W]` with C = 1 or 3, float32 in [0, 1], and draw
their parameters per image, as planes.py tells.
"""

import functools

from supcon_tf.augmentations.planes import clip, on_some, uniform
from supcon_tf.augmentations.presets import (
    GRAY,
    GRAYSCALE_PROBABILITY,
    JITTER_PROBABILITY,
    jitter_ranges,
)
from supcon_tf.frameworks.backends import tf


def random_color_jitter(
    planes,
    seeds,
    *,
    strength=1.0,
    probability=JITTER_PROBABILITY,
    additive_brightness=False,
):
    """Changes brightness, contrast, saturation, hue; in random order per image.

    Args:
      planes: `[B, C, H, W]` float32 in [0, 1], C = 1 or 3.
      seeds: `[B, 2]` integers.
      strength: float in [0, 2.5]. SimCLR has 1 for ImageNet, 0.5 for CIFAR.
      probability: float in [0, 1] that an image is jittered. 0.8 in SimCLR.
      additive_brightness: whether to add to the brightness, as tf.image does,
        and not multiply it, as torchvision does.

    Returns:
      `[B, C, H, W]` float32 in [0, 1].

    Raises:
      ValueError: if C is not 1 or 3, or strength is out of range.

    Example:
      >>> seeds = tf.stack([tf.zeros(8, tf.int32), tf.range(8)], axis=1)
      >>> planes = tf.fill([8, 3, 32, 32], 0.5)
      >>> random_color_jitter(planes, seeds, strength=0.5).shape
      TensorShape([8, 3, 32, 32])

    Reference:
      Chen et al., SimCLR, 2020, appendix A. Brightness is multiplied in
      torchvision and in the official SupCon code's CIFAR presets, and added in
      its ImageNet presets.
    """
    parameters = jitter_parameters(
        seeds,
        strength=strength,
        probability=probability,
        additive_brightness=additive_brightness,
    )
    adjust = functools.partial(
        adjust_colors, additive_brightness=additive_brightness
    )
    jittered = _is_jittered(seeds, probability)
    return on_some(jittered, adjust, planes, *parameters)


def jitter_parameters(
    seeds,
    *,
    strength=1.0,
    probability=JITTER_PROBABILITY,
    additive_brightness=False,
):
    """Draws what `adjust_colors` applies, from `[B, 2]` integer seeds.

    Returns float32 factors `[B, 3]` and shifts `[B]`, and int32 order `[B, 4]`.
    The arguments are those of `random_color_jitter`.
    """
    low, high, largest, turn = jitter_ranges(strength)
    # Images that are not jittered get a shift of 0, factors of 1, and 0 for an
    # additive brightness.
    draws = uniform(seeds, "jitter", 9)
    jittered = _is_jittered(seeds, probability)
    factors = low + draws[:, 1:4] * (high - low)
    same = [1.0, 1.0, 1.0]
    if additive_brightness:
        added = largest * (2 * draws[:, 1:2] - 1)
        factors = tf.concat([added, factors[:, 1:]], axis=1)
        same = [0.0, 1.0, 1.0]
    shifts = turn * (2 * draws[:, 4] - 1)
    order = tf.argsort(draws[:, 5:9], axis=1)  # a random permutation
    return (
        tf.where(jittered[:, None], factors, same),
        tf.where(jittered, shifts, 0.0),
        order,
    )


def adjust_colors(planes, factors, shifts, order, *, additive_brightness=False):
    """Adjusts the colours of planes `[B, C, H, W]`, in a given order per image.

    Factors `[B, 3]` >= 0 are of brightness, contrast and saturation, and shifts
    `[B]` in [-0.5, 0.5] of the hue. Order `[B, 4]` permutes 0..3; 3 is the hue.
    """
    weights = _gray_weights(planes)
    zero = tf.zeros_like(shifts)
    brightness, contrast, saturation = tf.unstack(factors, axis=1)
    one = tf.ones_like(shifts)
    scaled, added = brightness, zero
    if additive_brightness:
        scaled, added = one, brightness
    # With gray(x) of ITU-R 601, and a clip to [0, 1] after each step:
    #   brightness: f * x, or x + f if it is additive
    #   contrast:   f * x + (1 - f) * mean(gray(x))
    #   saturation: f * x + (1 - f) * gray(x)
    # So each of them is a * x + g * gray(x) + m * mean(gray(x)) + c.
    steps = tf.stack(
        [
            tf.stack([scaled, zero, zero, added], 1),
            tf.stack([contrast, zero, 1 - contrast, zero], 1),
            tf.stack([saturation, 1 - saturation, zero, zero], 1),
        ],
        axis=1,
    )
    is_hue = tf.equal(order, 3)
    # The order without hue, `[B, 3]`. A stable sort keeps the other three.
    rest = tf.argsort(tf.cast(is_hue, tf.int32), axis=1, stable=True)[:, :3]
    rest = tf.gather(order, rest, batch_dims=1)
    steps = tf.gather(steps, rest, batch_dims=1)  # [B, position, 4]
    turns = tf.where(is_hue, shifts[:, None], 0.0)  # [B, position]
    for position in range(4):
        if len(weights) == 3:  # a grey image has no hue
            turn = turns[:, position]
            planes = on_some(turn != 0, shift_hue, planes, turn)
        if position < 3:
            planes = _mix_channels(planes, steps[:, position], weights)
    return planes


def shift_hue(planes, shifts):
    """Turns the hue (of HSV) of each image, and keeps value and saturation.

    `[B, 3, H, W]` float32 in [0, 1] and shifts `[B]` in [-0.5, 0.5], where 1 is
    the whole circle -> `[B, 3, H, W]`. A shift of 1 / 3 makes red green.
    """
    red, green, blue = tf.unstack(planes, axis=1)  # [B, H, W] each
    high = tf.maximum(tf.maximum(red, green), blue)
    low = tf.minimum(tf.minimum(red, green), blue)
    chroma = high - low
    # Hue in sixths of the circle: red 0, green 2, blue 4.
    hue = tf.math.divide_no_nan(
        tf.where(
            red >= high,
            green - blue,
            tf.where(
                green >= high,
                blue - red + 2 * chroma,
                red - green + 4 * chroma,
            ),
        ),
        chroma,
    )
    hue += 6 * shifts[:, None, None]
    hue -= 6 * tf.floor(hue / 6)  # back to 0..6
    pure = tf.stack(
        [
            tf.abs(hue - 3) - 1,
            2 - tf.abs(hue - 2),
            2 - tf.abs(hue - 4),
        ],
        axis=1,
    )
    pure = clip(pure)
    return low[:, None] + chroma[:, None] * pure


def random_grayscale(planes, seeds, *, probability=GRAYSCALE_PROBABILITY):
    """Makes some of the images grey (ITU-R 601), and keeps all channels.

    `[B, C, H, W]` float32 in [0, 1], C = 1 or 3 -> the same. The default
    probability is SimCLR's.
    """
    weights = tf.constant(_gray_weights(planes))[:, None, None]  # [C, 1, 1]

    def grayscale(planes):
        gray = tf.reduce_sum(planes * weights, axis=1, keepdims=True)
        return tf.broadcast_to(tf.minimum(gray, 1.0), tf.shape(planes))

    chosen = uniform(seeds, "grayscale", 1)[:, 0] < probability
    return on_some(chosen, grayscale, planes)


def _is_jittered(seeds, probability):
    return uniform(seeds, "jitter", 1)[:, 0] < probability


def _gray_weights(planes):
    channels = planes.shape[1]
    if channels not in (1, 3):
        raise ValueError(
            "Colour operations need 1 or 3 channels, statically known. "
            f"Received: channels={channels}"
        )
    return list(GRAY) if channels == 3 else [1.0]


def _mix_channels(planes, step, weights):
    """Computes a x + g gray(x) + m mean(gray(x)) + c, clipped to [0, 1].

    Each row of `step` `[B, 4]` is (a, g, m, c).
    """
    channels = len(weights)
    scale, gray, mean, constant = tf.unstack(
        step[:, :, None, None], axis=1
    )  # [B, 1, 1] each
    matrix = scale * tf.eye(channels) + gray * tf.constant([weights])
    pixels = tf.reshape(planes, [tf.shape(planes)[0], channels, -1])
    averages = tf.reduce_mean(pixels, axis=2, keepdims=True)  # [B, C, 1]
    brightness = tf.reduce_sum(
        averages * tf.constant(weights)[:, None], axis=1, keepdims=True
    )
    mixed = tf.matmul(matrix, pixels) + (mean * brightness + constant)
    return tf.reshape(clip(mixed), tf.shape(planes))
