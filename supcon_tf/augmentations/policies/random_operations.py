"""AutoAugment and RandAugment: operations drawn per image.

Magnitudes run to 10, and become the parameters of the operations as in the
TensorFlow Model Garden, but for three differences. Translations and cutout are
shares of the side here; there they are pixels whatever the size (250 in
AutoAugment). Posterize keeps at least one bit here, and there it may keep none.
The 8-bit values are rounded here, and cut off there.
"""

from supcon_tf.augmentations.planes import uniform
from supcon_tf.augmentations.policies import pillow_colors, pillow_moves
from supcon_tf.augmentations.policies.tables import POLICIES
from supcon_tf.errors import check_int
from supcon_tf.frameworks.backends import tf


def random_autoaugment(planes, seeds, *, policy="imagenet"):
    """Applies one of the 25 pairs of a policy to each image.

    Takes planes `[B, C, H, W]` float32 in [0, 1], C = 1 or 3; returns the same
    shape in multiples of 1 / 255. The policies: as in `pipelines.autoaugment`.
    """
    if policy not in POLICIES:
        raise ValueError(
            f"`policy` must be one of {sorted(POLICIES)}. "
            f"Received: policy={policy!r}"
        )
    table = POLICIES[policy]
    used = {name for pair in table for name, *_ in pair}
    names = ["identity", *sorted(used)]
    # These three are [25 pairs, 2 operations] each.
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
    """Applies `num_layers` operations of one magnitude to each image.

    Takes planes `[B, C, H, W]` float32 in [0, 1], C = 1 or 3; returns the same
    shape in multiples of 1 / 255. Magnitude: as in `pipelines.randaugment`.
    """
    if not 0 <= magnitude <= 30:
        raise ValueError(
            f"`magnitude` must be in [0, 30]. Received: magnitude={magnitude}"
        )
    check_int("num_layers", num_layers, 1)
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
    """Applies one operation to each image; `operation` `[B]` indexes names."""
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
        # In 0.1..1.9, without a random sign, as in the AutoAugment paper.
        factors = levels / 10 * 1.8 + 0.1
        return operation(pixels, tf.cast(factors, tf.float32))

    return enhance


def _move(operation, largest):
    """Makes a move of `largest` at level 10, with a random sign."""

    def move(pixels, levels, draws):
        moves = levels / 10 * largest
        return operation(pixels, tf.where(draws[:, 0] < 0.5, -moves, moves))

    return move


def _translate(operation, axis):
    """Makes a move of up to 45 % of the side.

    That is 150 of 331 pixels in the AutoAugment paper, and 100 of 224 in the
    Model Garden's RandAugment.
    """

    def translate(pixels, levels, draws):
        side = tf.cast(tf.shape(pixels)[axis], tf.float64)
        return _move(operation, 0.45 * side)(pixels, levels, draws)

    return translate


def _cutout(pixels, levels, draws):
    sides = tf.shape(pixels)[2:]
    # At level 10, half of the square's side is 40 pixels in an image of 224.
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
    # Rounds to the nearest integer, and halves always upwards. A resize often
    # makes halves, and float32 leaves them a little above or below.
    return tf.cast(planes * 255.0 + (0.5 + 2**-8), tf.uint8)


# name -> function (pixels, levels [B] float64, draws [B, 3] float32 in [0, 1))
#   -> pixels. Levels are float64, as numbers in Python, since a parameter is
#   often cut to an integer.
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
