"""The resize of one large image, for the views of a file.

It computes what `spatial.crop_and_resize` computes for a window that is the
whole image, without its matrices: of a photograph most of their weights are 0.
"""

from supcon_tf.frameworks.backends import tf


def resize(pixels, *, size):
    """Resizes one image with a triangle, which is widened when it shrinks.

    Args:
      pixels: `[H, W, C]` uint8; H and W may be unknown.
      size: (height, width) of the output, positive ints.

    Returns:
      `[height, width, C]` float32 in [0, 1].

    Example:
      >>> resize(tf.zeros([70, 30, 3], tf.uint8), size=(24, 40)).shape
      TensorShape([24, 40, 3])
    """
    # Where both sides grow, the triangle is not widened. It then sees at most
    # two pixels along each axis, and a simpler operation computes the same.
    grows = tf.reduce_all(tf.shape(pixels)[:2] <= tf.constant(size))
    resized = tf.cond(
        grows,
        lambda: tf.image.resize(pixels, size),
        lambda: tf.image.resize(pixels, size, antialias=True),
    )
    resized = tf.ensure_shape(resized, [*size, pixels.shape[2]])
    return tf.minimum(resized / 255.0, 1.0)  # only undoes rounding
