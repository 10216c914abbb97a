"""The colour operations of AutoAugment and RandAugment, as in Pillow.

They take 8-bit planes `[B, C, H, W]` uint8 and one parameter per image, `[B]`,
and return planes of the same shape. Pillow rounds to 8 bits after each
operation, and so do they. The operations that move pixels are in
pillow_moves.py.
"""

from supcon_tf.frameworks.backends import tf


def invert(pixels):
    """Returns 255 - x, as `PIL.ImageOps.invert`."""
    return 255 - pixels


def posterize(pixels, bits):
    """Keeps the highest bits, 1 to 8, as `PIL.ImageOps.posterize`."""
    mask = tf.bitwise.left_shift(
        tf.constant(255, tf.uint8), tf.cast(8 - bits, tf.uint8)
    )
    return tf.bitwise.bitwise_and(pixels, _per_image(mask))


def solarize(pixels, thresholds):
    """Inverts the values from a threshold on, as `PIL.ImageOps.solarize`.

    The thresholds are integers; 0 inverts all values, and 256 none.
    """
    darker = tf.cast(pixels, tf.int32) < _per_image(thresholds)
    return tf.where(darker, pixels, 255 - pixels)


def solarize_add(pixels, additions):
    """Brightens the dark half: x + addition, clipped to 0..255, where x < 128.

    The additions are int32 in -128..255. The operation is from the TensorFlow
    Model Garden. Pillow and the papers do not have it.
    """
    added = tf.cast(pixels, tf.int32) + _per_image(additions)
    added = tf.cast(tf.clip_by_value(added, 0, 255), tf.uint8)
    return tf.where(pixels < 128, added, pixels)


def auto_contrast(pixels):
    """Stretches each channel to 0..255, as `PIL.ImageOps.autocontrast`.

    A channel of a single value stays.
    """
    # In float64 and in this order, since Pillow cuts off the fractions.
    low = tf.cast(tf.reduce_min(pixels, axis=[2, 3]), tf.float64)[..., None]
    high = tf.cast(tf.reduce_max(pixels, axis=[2, 3]), tf.float64)[..., None]
    scale = tf.math.divide_no_nan(tf.constant(255.0, tf.float64), high - low)
    values = tf.range(256, dtype=tf.float64)
    stretched = tf.clip_by_value(values * scale + -low * scale, 0.0, 255.0)
    return _look_up(tf.where(high > low, stretched, values), pixels)


def equalize(pixels):
    """Spreads the values of each channel so that all are equally frequent.

    It does so as `PIL.ImageOps.equalize`.
    """
    shape = tf.shape(pixels)
    rows = shape[0] * shape[1]  # one histogram per image and channel
    values = tf.reshape(tf.cast(pixels, tf.int32), [rows, shape[2] * shape[3]])
    counts = tf.math.bincount(
        values + 256 * tf.range(rows)[:, None],
        minlength=256 * rows,
        maxlength=256 * rows,
    )
    counts = tf.reshape(counts, [shape[0], shape[1], 256])
    below = tf.cumsum(counts, axis=2, exclusive=True)
    brightest = tf.reduce_max(pixels, axis=[2, 3])
    # There are 255 steps up to the brightest value, whose own pixels do not
    # count.
    step = tf.gather(below, tf.cast(brightest, tf.int32), axis=2, batch_dims=2)
    step = step[..., None] // 255  # [B, C, 1]
    table = (step // 2 + below) // tf.maximum(step, 1)
    table = tf.where(step > 0, tf.minimum(table, 255), tf.range(256))
    return _look_up(table, pixels)


def color(pixels, factors):
    """Changes the saturation, as `PIL.ImageEnhance.Color`, with C = 1 or 3.

    The factors are float32 >= 0: 0 is grey, 1 the image, and more is more
    colourful.
    """
    return _blend(_gray(pixels), pixels, factors)


def contrast(pixels, factors):
    """Changes the contrast, as `PIL.ImageEnhance.Contrast`, with C = 1 or 3.

    The factors are float32 >= 0: 0 is the mean grey, 1 the image, more has more
    contrast.
    """
    gray = tf.cast(_gray(pixels), tf.float64)  # sums many pixels exactly
    mean = tf.reduce_mean(gray, axis=[1, 2, 3], keepdims=True)
    return _blend(tf.floor(mean + 0.5), pixels, factors)


def brightness(pixels, factors):
    """Changes the brightness, as `PIL.ImageEnhance.Brightness`.

    The factors are float32 >= 0: 0 is black, 1 the image, more is brighter.
    """
    return _blend(0, pixels, factors)


def sharpness(pixels, factors):
    """Changes the sharpness, as `PIL.ImageEnhance.Sharpness`.

    The factors are float32 >= 0: 0 is smoothed, 1 the image, more is sharper.
    The pixels of the border stay.
    """
    shape = tf.shape(pixels)
    height, width = shape[2], shape[3]
    values = tf.cast(pixels, tf.int32)
    padded = tf.pad(values, [[0, 0], [0, 0], [1, 1], [1, 1]])
    # The smoothed image is the rounded mean of 3 x 3 pixels, where the centre
    # counts five times.
    rows = padded[:, :, :-2] + padded[:, :, 1:-1] + padded[:, :, 2:]
    sums = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * values
    row, column = tf.range(height)[:, None], tf.range(width)
    inside = (row > 0) & (row < height - 1) & (column > 0)
    inside &= column < width - 1
    smooth = tf.where(inside, (2 * sums + 13) // 26, values)
    return _blend(smooth, pixels, factors)


def _gray(pixels):
    """Returns ITU-R 601 `[B, 1, H, W]` int32, in Pillow's fixed point."""
    values = tf.cast(pixels, tf.int32)
    if pixels.shape[1] == 1:
        return values
    red, green, blue = tf.unstack(values, num=3, axis=1)
    gray = 19595 * red + 38470 * green + 7471 * blue + 0x8000
    return tf.bitwise.right_shift(gray, 16)[:, None]


def _blend(degenerate, pixels, factors):
    """Returns degenerate + factor * (x - degenerate) as uint8.

    Fractions are cut off, as in Pillow.
    """
    degenerate = tf.cast(degenerate, tf.float32)
    difference = tf.cast(pixels, tf.float32) - degenerate
    blended = degenerate + _per_image(factors) * difference
    return tf.cast(tf.clip_by_value(blended, 0.0, 255.0), tf.uint8)


def _look_up(tables, pixels):
    """Looks values up in their channel's table, `[B, C, 256]` in 0..255."""
    shape = tf.shape(pixels)
    flat = tf.reshape(pixels, [shape[0], shape[1], shape[2] * shape[3]])
    found = tf.gather(
        tf.cast(tables, tf.uint8), tf.cast(flat, tf.int32), axis=2, batch_dims=2
    )
    return tf.reshape(found, shape)


def _per_image(values):
    return values[:, None, None, None]
