"""The operations of AutoAugment and RandAugment that move or cover pixels.

They take 8-bit planes `[B, C, H, W]` uint8 and one parameter per image, `[B]`,
and return planes of the same shape. Each output pixel takes the nearest input
pixel, as in the official TensorFlow code and in Pillow. Where there is none,
the output is grey, 128.
"""

import math

from supcon_tf.frameworks.backends import tf

GRAY = 128


def shear_x(pixels, shears):
    """Shifts each row by its distance from the top: x takes x + shear * y.

    A positive shear, in pixels per row, moves to the left. The top left corner
    stays, as in AutoAugment's and RandAugment's own code.
    """
    return _affine(pixels, [1.0, shears, 0.0, 0.0, 1.0, 0.0])


def shear_y(pixels, shears):
    """Shifts each column by its distance from the left: y takes y + shear * x.

    A positive shear, in pixels per column, moves upwards. The top left corner
    stays.
    """
    return _affine(pixels, [1.0, 0.0, 0.0, shears, 1.0, 0.0])


def translate_x(pixels, offsets):
    """Shifts to the left by offsets in pixels: x takes x + offset."""
    return _affine(pixels, [1.0, 0.0, offsets, 0.0, 1.0, 0.0])


def translate_y(pixels, offsets):
    """Shifts upwards by offsets in pixels: y takes y + offset."""
    return _affine(pixels, [1.0, 0.0, 0.0, 0.0, 1.0, offsets])


def rotate(pixels, degrees):
    """Turns counterclockwise around the centre, as `PIL.Image.rotate`."""
    shape = tf.shape(pixels)
    middle_y = tf.cast(shape[2], tf.float64) / 2
    middle_x = tf.cast(shape[3], tf.float64) / 2
    radians = tf.cast(degrees, tf.float64) * (math.pi / 180)
    cos, sin = tf.cos(radians), tf.sin(radians)
    return _affine(
        pixels,
        [
            cos,
            -sin,
            middle_x - cos * middle_x + sin * middle_y,
            sin,
            cos,
            middle_y - sin * middle_x - cos * middle_y,
        ],
    )


def cutout(pixels, half_sides, rows, columns):
    """Covers a square with grey, as far as it lies in the image.

    All parameters are int32, in pixels, and half_sides >= 0. The square covers
    `row - half_side` up to `row + half_side - 1`, and the columns likewise.
    """
    # DeVries and Taylor, Improved Regularization of Convolutional Neural
    # Networks with Cutout, 2017. The TensorFlow Model Garden fills with grey.
    shape = tf.shape(pixels)
    half = tf.convert_to_tensor(half_sides)[:, None]
    from_row = tf.range(shape[2]) - tf.convert_to_tensor(rows)[:, None]
    from_column = tf.range(shape[3]) - tf.convert_to_tensor(columns)[:, None]
    in_rows = (from_row >= -half) & (from_row < half)  # [B, H]
    in_columns = (from_column >= -half) & (from_column < half)  # [B, W]
    covered = in_rows[:, None, :, None] & in_columns[:, None, None]
    return tf.where(covered, tf.constant(GRAY, tf.uint8), pixels)


def _affine(pixels, matrix):
    """Takes the input at (ax + by + c, dx + ey + f) for the output at (x, y).

    Pixel centres lie at halves. The numbers are Pillow's fixed-point ones, with
    16 bits behind the point, so that the very same pixels are taken.
    """
    shape = tf.shape(pixels)
    height, width = shape[2], shape[3]
    a, b, c, d, e, f = (
        tf.broadcast_to(tf.cast(entry, tf.float64), shape[:1])
        for entry in matrix
    )
    columns, rows = tf.range(width), tf.range(height)[:, None]
    x = _fixed(c + a / 2 + b / 2) + _fixed(a) * columns + _fixed(b) * rows
    y = _fixed(f + d / 2 + e / 2) + _fixed(d) * columns + _fixed(e) * rows
    x = tf.bitwise.right_shift(x, 16)  # [B, H, W]
    y = tf.bitwise.right_shift(y, 16)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    index = tf.where(inside, y * width + x, 0)
    moved = tf.gather(
        tf.reshape(pixels, [shape[0], shape[1], height * width]),
        tf.reshape(index, [shape[0], height * width]),
        axis=2,
        batch_dims=1,
    )
    moved = tf.reshape(moved, shape)
    return tf.where(inside[:, None], moved, tf.constant(GRAY, tf.uint8))


def _fixed(numbers):
    """Converts `[B]` float64 to `[B, 1, 1]` int32, 16 bits behind the point."""
    return tf.cast(tf.floor(numbers * 65536 + 0.5), tf.int32)[:, None, None]
