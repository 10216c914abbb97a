"""Similarities of the views of an image with each other."""

from keras import ops


def similarities_of_views(contrasts):
    """All pairs of views of each own image.

    Args:
      contrasts: `Contrasts` of unit vectors.

    Returns:
      The similarities over the temperature, and the cosines, both `[b, V, V]`
      with the anchors in the rows.
    """
    views, dim = contrasts.views, contrasts.own.shape[-1]
    own = ops.reshape(contrasts.own, (-1, views, dim))
    products = ops.matmul(own, ops.transpose(own, (0, 2, 1)))
    if contrasts.scales is None:
        return products, products / contrasts.bound
    scales = ops.reshape(contrasts.scales, (-1, views, 1))
    return products * scales, products
