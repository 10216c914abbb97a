"""Decodes image files in a graph as people see them: upright and on white.

TensorFlow knows nothing of EXIF orientation, and drops transparency. Trainings
read such files by Pillow, which a SavedModel does not have.
"""

import tensorflow as tf

_LOOKED_AT = 2**17  # bytes; EXIF data stands at the beginning, in 64 KB
_BEGIN = [0xFF, 0xE1, None, None, *b"Exif\0\0"]  # None: the segment's length
_TAG = 0x0112
_MOST_ENTRIES = 256


def exif_orientation(contents):
    """Reads the EXIF orientation of a JPEG file.

    Args:
      contents: scalar string tensor, the bytes of a file.

    Returns:
      Scalar int32, 1 to 8; 1, upright, if there is none.

    Example:
      >>> int(exif_orientation(tf.io.encode_jpeg(np.zeros((4, 4, 3), "uint8"))))
      1
    """
    start = tf.strings.substr(contents, 0, _LOOKED_AT)
    data = tf.cast(tf.io.decode_raw(start, tf.uint8), tf.int32)
    data = tf.pad(data, [[0, len(_BEGIN)]])
    last = tf.size(data) - 1
    count = tf.size(data) - len(_BEGIN) + 1
    is_begin = tf.ones([count], tf.bool)
    for place, byte in enumerate(_BEGIN):
        if byte is not None:
            is_begin &= data[place : place + count] == byte
    tiff = tf.argmax(is_begin, output_type=tf.int32) + len(_BEGIN)

    def number(at, size):
        """The number of `size` bytes at each of the positions [n]."""
        places = tf.range(size)
        powers = tf.where(is_little, places, size - 1 - places)
        found = tf.gather(data, tf.clip_by_value(at[:, None] + places, 0, last))
        return tf.reduce_sum(found * 256**powers, axis=1)

    is_little = data[tf.minimum(tiff, last)] == ord("I")
    table = tiff + number(tiff[None] + 4, 4)[0]
    entries = tf.minimum(number(table[None], 2)[0], _MOST_ENTRIES)
    starts = table + 2 + 12 * tf.range(entries)
    values = number(starts + 8, 2)[number(starts, 2) == _TAG]
    is_told = tf.reduce_any(is_begin) & (tf.size(values) > 0)
    value = tf.reduce_max(tf.concat([values[:1], [1]], 0))
    return tf.where(is_told & (value <= 8), value, 1)


def upright(image, orientation):
    """Turns an image as its EXIF orientation says.

    Args:
      image: `[H, W, C]`.
      orientation: scalar int32, 1 to 8.

    Returns:
      `[H, W, C]`, or `[W, H, C]`.

    Example:
      >>> upright(tf.zeros([4, 6, 3]), tf.constant(6)).shape
      TensorShape([6, 4, 3])
    """
    flat = tf.transpose(image, [1, 0, 2])
    turned = tf.switch_case(
        orientation - 1,
        [
            lambda: image,
            lambda: image[:, ::-1],
            lambda: image[::-1, ::-1],
            lambda: image[::-1],
            lambda: flat,
            lambda: flat[:, ::-1],
            lambda: flat[::-1, ::-1],
            lambda: flat[::-1],
        ],
    )
    return tf.ensure_shape(turned, [None, None, image.shape[2]])


def on_white(image):
    """Puts an image with transparency on white.

    Args:
      image: `[H, W, 4]` uint8, red, green, blue and opacity.

    Returns:
      `[H, W, 3]` uint8.

    Example:
      >>> on_white(np.zeros((1, 1, 4), "uint8")).numpy().tolist()
      [[[255, 255, 255]]]
    """
    color = tf.cast(image[..., :3], tf.float32)
    opacity = tf.cast(image[..., 3:], tf.float32) / 255
    mixed = color * opacity + 255 * (1 - opacity)
    return tf.cast(tf.round(mixed), tf.uint8)
