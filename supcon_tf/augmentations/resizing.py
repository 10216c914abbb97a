"""The resize of one large image, in blocks, for the views of a file.

It computes what `spatial.crop_and_resize` computes for a window that is the
whole image, in a third of the time for a photograph. There, the matrix of each
axis has a zero for each input pixel that an output does not see.
"""

from supcon_tf.augmentations.planes import clip
from supcon_tf.frameworks.backends import tf

# So many output rows, or columns, are computed together. They take about as
# many input rows, times the scale. Without blocks, each output takes all rows.
_BLOCK = 16


def resize(pixels, flip, *, size):
    """Resizes an image, and mirrors it left to right if `flip` is true.

    `[H, W, C]` uint8, H and W maybe unknown -> `[C, *size]` float32 in [0, 1].
    """
    channels = pixels.shape[2]
    rows, weights = _blocks(tf.shape(pixels)[0], size[0], tf.constant(False))
    values = _weighted(pixels, rows, weights / 255.0)[: size[0]]
    values = tf.transpose(values, [1, 0, 2])  # [W, height, C]
    columns, weights = _blocks(tf.shape(pixels)[1], size[1], flip)
    values = _weighted(values, columns, weights)[: size[1]]
    planes = tf.transpose(values, [2, 1, 0])
    planes = tf.ensure_shape(planes, [channels, *size])
    return clip(planes)  # only undoes rounding


def _blocks(pixels, outputs, mirrored):
    """Computes which pixels each block of outputs takes, with which weights.

    Returns positions `[blocks, K]` int32 and weights `[blocks, _BLOCK, K]`. If
    the blocks hold too many outputs, the last output is there several times.
    """
    count = -(-outputs // _BLOCK)
    length = tf.cast(pixels, tf.float32)
    scale = length / outputs
    widened = tf.maximum(scale, 1.0)
    output = tf.minimum(tf.range(count * _BLOCK), outputs - 1)
    centres = (tf.cast(output, tf.float32) + 0.5) * scale
    centres = tf.where(mirrored, length - centres, centres)
    centres = tf.reshape(centres, [count, _BLOCK])
    # As many pixels as the outputs of a block see, and one for rounding.
    seen = tf.math.ceil((_BLOCK - 1) * scale + 2 * widened) + 1
    seen = tf.minimum(tf.cast(seen, tf.int32), pixels)
    first = tf.floor(tf.reduce_min(centres, axis=1) - widened)
    first = tf.clip_by_value(tf.cast(first, tf.int32), 0, pixels - seen)
    positions = first[:, None] + tf.range(seen)  # [blocks, K]
    distance = tf.cast(positions, tf.float32)[:, None] + 0.5
    distance = tf.abs(distance - centres[:, :, None])
    triangle = tf.nn.relu(1 - distance / widened)
    return positions, triangle / tf.reduce_sum(triangle, -1, keepdims=True)


def _weighted(values, positions, weights):
    """Sums `[H, W, C]` along the first axis to `[blocks * outputs, W, C]`."""
    width, channels = tf.shape(values)[1], values.shape[2]
    taken = tf.cast(tf.gather(values, positions), tf.float32)
    taken = tf.reshape(
        taken, [tf.shape(positions)[0], -1, width * channels]
    )  # [blocks, K, W * C]
    return tf.reshape(tf.matmul(weights, taken), [-1, width, channels])
