"""CutMix, which mixes images and, with them, their labels."""

from typing import Any

from numpy.typing import ArrayLike

from supcon_tf.frameworks.backends import tf


def cut_mix(
    images: ArrayLike,
    labels: ArrayLike,
    seed: ArrayLike,
    *,
    alpha: float = 1.0,
    probability: float = 1.0,
) -> tuple[Any, Any]:
    """Pastes a box of another image of the batch, and mixes the labels alike.

    The box has the share 1 - m of the area, with m ~ Beta(alpha, alpha), and a
    uniform centre. What lies beyond the edge of the image is cut off. With s
    the share of the pixels that the box covers in the end,

        label = (1 - s) * own label + s * label of the other image

    It is for losses of labels that are shares of classes: cross-entropy, and
    `SoftSupConLoss`. All views of an image are mixed in the same way.

    Args:
      images: `[B, H, W, C]`, or views `[B, V, H, W, C]`, of any dtype.
      labels: `[B, K]` floats, one-hot or smoothed.
      seed: `[2]` int32 or int64, another one for each batch, such as
        (seed of the run, number of the batch).
      alpha: float >= 0.05. 1, the default, is the paper's: m is then uniform.
      probability: float in [0, 1] that an image is mixed.

    Returns:
      Mixed images and labels, of the shapes and dtypes given.

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> mixed, targets = cut_mix(images, tf.one_hot(labels, 4), seed=[0, 1])
      >>> mixed.shape, targets.shape
      (TensorShape([8, 32, 32, 3]), TensorShape([8, 4]))

    Reference:
      Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers
      with Localizable Features, 2019.
    """
    images, labels, seed = _checked(images, labels, seed)
    if not alpha >= 0.05:  # float32 cannot hold the draws of a smaller one
        raise ValueError(f"`alpha` must be >= 0.05. Received: alpha={alpha}")
    if not 0 <= probability <= 1:
        raise ValueError(
            "`probability` must be in [0, 1]. "
            f"Received: probability={probability}"
        )
    shape = tf.shape(images)
    count, height, width = shape[0], shape[-3], shape[-2]
    seeds = tf.random.experimental.stateless_split(seed, 3)
    draws = tf.random.stateless_uniform([4, count], seeds[0])
    gammas = tf.random.stateless_gamma([2, count], seeds[1], alpha=alpha)
    kept = tf.math.divide_no_nan(gammas[0], gammas[0] + gammas[1])  # Beta
    side = tf.sqrt(1 - kept)
    side = tf.where(draws[0] < probability, side, 0.0)
    rows = _covered(draws[1], side, height)  # [B, H]
    columns = _covered(draws[2], side, width)  # [B, W]
    other = tf.argsort(draws[3])  # a random permutation

    box = rows[:, :, None] & columns[:, None]  # [B, H, W]
    share = tf.reduce_mean(tf.cast(box, labels.dtype), axis=[1, 2])[:, None]
    box = box[..., None]
    if images.shape.rank == 5:
        box = box[:, None]
    return (
        tf.where(box, tf.gather(images, other), images),
        (1 - share) * labels + share * tf.gather(labels, other),
    )


def _covered(centre, side, length):
    """Tells which pixels lie in the box; centre and side are shares, `[B]`."""
    middle = tf.range(tf.cast(length, tf.float32)) + 0.5  # of each pixel
    length = tf.cast(length, tf.float32)
    distance = tf.abs(middle - centre[:, None] * length)
    return distance < side[:, None] * length / 2


def _checked(images, labels, seed):
    images, labels = tf.convert_to_tensor(images), tf.convert_to_tensor(labels)
    seed = tf.convert_to_tensor(seed)
    if images.shape.rank not in (4, 5):
        raise ValueError(
            "`images` must have the shape [B, H, W, C] or [B, V, H, W, C]. "
            f"Received: shape={images.shape}"
        )
    rows = tf.TensorShape([images.shape[0], None])
    if not labels.dtype.is_floating or not (
        rows.is_compatible_with(labels.shape)
    ):
        raise ValueError(
            f"`labels` must be floats of shape {rows}, such as "
            "tf.one_hot(labels, num_classes). "
            f"Received: {labels.dtype.name} of shape {labels.shape}"
        )
    if seed.dtype not in (tf.int32, tf.int64) or seed.shape != (2,):
        raise ValueError(
            "`seed` must be int32 or int64 of shape (2,). "
            f"Received: {seed.dtype.name} of shape {seed.shape}"
        )
    return images, labels, seed
