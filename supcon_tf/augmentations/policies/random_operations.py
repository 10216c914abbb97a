"""AutoAugment and RandAugment: operations drawn per image.

Magnitudes run to 10 as in the TensorFlow Model Garden, whose mapping of a
magnitude to an operation's parameter this is. Different are: translations and
cutout, shares of the side here, there pixels whatever the size (250 in
AutoAugment); posterize, which keeps a bit at least, there none; and the
8-bit values, rounded here, there cut off.
"""

import tensorflow as tf

from supcon_tf.augmentations.planes import uniform
from supcon_tf.augmentations.policies import pillow_colors, pillow_moves
from supcon_tf.augmentations.policies.tables import POLICIES


def random_autoaugment(planes, seeds, *, policy="imagenet"):
    """One of the 25 learnt pairs of operations per image.

    Each of the two is applied with its own probability, on 8-bit values.

    Args:
      planes: `[B, C, H, W]` float32 in [0, 1], C = 1 or 3.
      seeds: `[B, 2]` integers.
      policy: "imagenet" or "cifar10", the tables of the paper's appendix, or
        "v0", another one learnt on ImageNet, which the Model Garden takes by
        default, and with it the official SupCon code.

    Returns:
      `[B, C, H, W]` float32, multiples of 1 / 255 in [0, 1].

    Raises:
      ValueError: if the policy is unknown or C is not 1 or 3.

    Example:
      >>> planes = random_autoaugment(planes, seeds, policy="cifar10")

    Reference:
      Cubuk et al., AutoAugment: Learning Augmentation Strategies from Data,
      2019, appendix. The factors of colour, contrast, brightness and
      sharpness (0.1..1.9) have no random sign there, nor here.
    """
    if policy not in POLICIES:
        raise ValueError(
            f"`policy` must be one of {sorted(POLICIES)}. "
            f"Received: policy={policy!r}"
        )
    table = POLICIES[policy]
    used = {name for pair in table for name, *_ in pair}
    names = ["identity", *sorted(used)]
    # [25 pairs, 2 operations] each.
    operations = [[names.index(name) for name, *_ in pair] for pair in table]
    probabilities = [[probability for _, probability, _ in p] for p in table]
    levels = tf.constant([[x for *_, x in p] for p in table], tf.float64)

    draws = uniform(seeds, "autoaugment", 1 + 2 * 4)
    pair = tf.cast(draws[:, 0] * len(table), tf.int32)  # [B]
    pixels = _to_pixels(planes)
    for position in range(2):
        own = draws[:, 1 + 4 * position : 5 + 4 * position]
        applied = own[:, 0] < tf.gather(probabilities, pair)[:, position]
        operation = tf.gather(operations, pair)[:, position]
        pixels = _apply(
            pixels,
            names,
            tf.where(applied, operation, 0),
            tf.gather(levels, pair)[:, position],
            own[:, 1:],
        )
    return tf.cast(pixels, tf.float32) / 255.0


def random_randaugment(planes, seeds, *, num_layers=2, magnitude=10):
    """Several operations per image, each one of 17, all of one magnitude.

    The operations, drawn uniformly: identity, auto contrast, equalize, invert,
    posterize, solarize, solarize add, colour, contrast, brightness, sharpness,
    shear and translate in x and y, rotate, cutout; on 8-bit values.

    Args:
      planes: `[B, C, H, W]` float32 in [0, 1], C = 1 or 3.
      seeds: `[B, 2]` integers.
      num_layers: int >= 1, operations per image. 2 in the official code.
      magnitude: float in [0, 30]. 10 in the official code; the paper's models
        use 9 to 28 on this scale. Not each operation does more with more:
        posterize and solarize do less.

    Returns:
      `[B, C, H, W]` float32, multiples of 1 / 255 in [0, 1].

    Raises:
      ValueError: if an argument is out of range or C is not 1 or 3.

    Example:
      >>> planes = random_randaugment(planes, seeds, magnitude=5)

    Reference:
      Cubuk et al., RandAugment: Practical Automated Data Augmentation with a
      Reduced Search Space, 2020. The list is the Model Garden's: the paper
      has no invert, solarize add and cutout.
    """
    if not 0 <= magnitude <= 30:
        raise ValueError(
            f"`magnitude` must be in [0, 30]. Received: magnitude={magnitude}"
        )
    if num_layers < 1:
        raise ValueError(
            f"`num_layers` must be >= 1. Received: num_layers={num_layers}"
        )
    names = list(OPERATIONS)
    draws = uniform(seeds, "randaugment", 4 * num_layers)
    magnitude = tf.constant(magnitude, tf.float64)
    levels = tf.fill(tf.shape(draws)[:1], magnitude)
    pixels = _to_pixels(planes)
    for layer in range(num_layers):
        own = draws[:, 4 * layer : 4 * layer + 4]
        operation = tf.cast(own[:, 0] * len(names), tf.int32)
        pixels = _apply(pixels, names, operation, levels, own[:, 1:])
    return tf.cast(pixels, tf.float32) / 255.0


def _apply(pixels, names, operation, levels, draws):
    """Applies one operation to each image, `operation` `[B]` into names."""
    batch = tf.range(tf.shape(pixels)[0])
    rows = tf.dynamic_partition(batch, operation, len(names))
    parts = [
        OPERATIONS[name](
            tf.gather(pixels, some),
            tf.gather(levels, some),
            tf.gather(draws, some),
        )
        for name, some in zip(names, rows, strict=True)
    ]
    changed = tf.dynamic_stitch(rows, parts)
    return tf.ensure_shape(changed, pixels.shape)


def _posterize(pixels, levels, draws):
    bits = tf.cast(levels / 10 * 4, tf.int32)
    return pillow_colors.posterize(pixels, tf.clip_by_value(bits, 1, 8))


def _solarize(pixels, levels, draws):
    return pillow_colors.solarize(pixels, tf.cast(levels / 10 * 256, tf.int32))


def _solarize_add(pixels, levels, draws):
    return pillow_colors.solarize_add(
        pixels, tf.cast(levels / 10 * 110, tf.int32)
    )


def _enhance(operation):
    def enhance(pixels, levels, draws):
        factors = levels / 10 * 1.8 + 0.1
        return operation(pixels, tf.cast(factors, tf.float32))

    return enhance


def _move(operation, largest):
    """A move of up to `largest` at 10, its sign drawn."""

    def move(pixels, levels, draws):
        moves = levels / 10 * largest
        return operation(pixels, tf.where(draws[:, 0] < 0.5, -moves, moves))

    return move


def _translate(operation, axis):
    """By up to 45 % of the side.

    150 of 331 pixels in the AutoAugment paper, 100 of 224 in the Model
    Garden's RandAugment.
    """

    def translate(pixels, levels, draws):
        side = tf.cast(tf.shape(pixels)[axis], tf.float64)
        return _move(operation, 0.45 * side)(pixels, levels, draws)

    return translate


def _cutout(pixels, levels, draws):
    sides = tf.shape(pixels)[2:]
    # At 10, half a side of 40 pixels in an image of 224.
    half = levels / 10 * 40 / 224 * tf.cast(tf.reduce_min(sides), tf.float64)
    centres = tf.cast(draws[:, 1:3] * tf.cast(sides, tf.float32), tf.int32)
    return pillow_moves.cutout(
        pixels, tf.cast(tf.round(half), tf.int32), centres[:, 0], centres[:, 1]
    )


def _to_pixels(planes):
    if planes.shape[1] not in (1, 3):
        raise ValueError(
            "Colour operations need 1 or 3 channels, statically known. "
            f"Received: channels={planes.shape[1]}"
        )
    # Rounds to the nearest, but halves, which a resize makes often, always
    # upwards: float32 leaves them a little above or below.
    return tf.cast(planes * 255.0 + (0.5 + 2**-8), tf.uint8)


# name -> function (pixels, levels [B] float64, draws [B, 3] float32 in [0, 1))
#   -> pixels. In float64 as in Python: a parameter is often cut to an integer.
OPERATIONS = {
    "identity": lambda pixels, levels, draws: pixels,
    "auto_contrast": lambda pixels, *_: pillow_colors.auto_contrast(pixels),
    "equalize": lambda pixels, *_: pillow_colors.equalize(pixels),
    "invert": lambda pixels, *_: pillow_colors.invert(pixels),
    "posterize": _posterize,
    "solarize": _solarize,
    "solarize_add": _solarize_add,
    "color": _enhance(pillow_colors.color),
    "contrast": _enhance(pillow_colors.contrast),
    "brightness": _enhance(pillow_colors.brightness),
    "sharpness": _enhance(pillow_colors.sharpness),
    "shear_x": _move(pillow_moves.shear_x, 0.3),
    "shear_y": _move(pillow_moves.shear_y, 0.3),
    "translate_x": _translate(pillow_moves.translate_x, 3),
    "translate_y": _translate(pillow_moves.translate_y, 2),
    "rotate": _move(pillow_moves.rotate, 30.0),
    "cutout": _cutout,
}
