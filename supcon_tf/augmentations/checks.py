"""The checks of the input that all pipelines share."""

from supcon_tf.augmentations.encoded_image import EncodedImage
from supcon_tf.augmentations.pixels import check_known_pixels
from supcon_tf.frameworks.backends import tf


def checked_images(images):
    """Returns images as a tensor, after checking their rank and dtype.

    Args:
      images: `[B, H, W, C]` uint8 in 0..255 or floats in [0, 1], or an
        `EncodedImage`, which is returned as it is. Values are checked where
        they are known: not inside of a graph.

    Returns:
      A tensor `[B, H, W, C]` of the same dtype, or the `EncodedImage`.

    Raises:
      ValueError: if the rank is not 4, the dtype neither uint8 nor floating, or
        floats leave [0, 1].

    Example:
      >>> checked_images(images).shape
      TensorShape([8, 32, 32, 3])
    """
    if isinstance(images, EncodedImage):
        return images
    images = tf.convert_to_tensor(images)
    if images.shape.rank != 4:
        raise ValueError(
            "`images` must have the shape [B, H, W, C]. "
            f"Received: shape={images.shape}"
        )
    if images.dtype != tf.uint8 and not images.dtype.is_floating:
        raise ValueError(
            "`images` must be uint8 in 0..255 or floats in [0, 1]. "
            f"Received: dtype={images.dtype.name}"
        )
    check_known_pixels(images)
    return images


def checked_seeds(seeds, images):
    """Returns seeds as a tensor, after checking their shape and dtype.

    Args:
      seeds: `[B, 2]` int32 or int64.
      images: a tensor `[B, H, W, C]`, or an `EncodedImage`, which allows any
        number of seeds.

    Returns:
      A tensor `[B, 2]` of the same dtype.

    Raises:
      ValueError: if the dtype is another, or the shape is.

    Example:
      >>> checked_seeds([[0, 1], [0, 2]], images[:2]).shape
      TensorShape([2, 2])
    """
    if seeds is None:
        raise ValueError(
            "`seeds` must be int32 or int64 of shape [B, 2] for a random "
            "augmentation; an evaluation takes 'center_crop' or "
            "'resize_then_crop'. Received: seeds=None"
        )
    seeds = tf.convert_to_tensor(seeds)
    encoded = isinstance(images, EncodedImage)
    rows = tf.TensorShape([None if encoded else images.shape[0], 2])
    if seeds.dtype not in (tf.int32, tf.int64) or not (
        rows.is_compatible_with(seeds.shape)
    ):
        raise ValueError(
            f"`seeds` must be int32 or int64 of shape {rows}. "
            f"Received: {seeds.dtype.name} of shape {seeds.shape}"
        )
    return seeds
