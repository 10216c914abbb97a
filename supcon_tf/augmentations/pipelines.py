"""The pipelines that change colours, too: SimCLR and the learnt policies.

(images, seeds, image_size) -> one view each; for another view of the same
images, call again with other seeds. Those that only crop are in crops.py.
"""

from supcon_tf.augmentations import color, spatial
from supcon_tf.augmentations.checks import checked_size, is_small
from supcon_tf.augmentations.crops import random_crop
from supcon_tf.augmentations.planes import to_images
from supcon_tf.augmentations.policies import random_operations


def simclr(
    images,
    seeds,
    image_size,
    *,
    strength=None,
    area=None,
    blur_probability=None,
    additive_brightness=False,
):
    """SimCLR: crop, flip, colour jitter, greyscale and blur, each random.

    In this order: random resized crop (`area`, ratio 3/4..4/3), flip p 0.5,
    colour jitter p 0.8 (`strength`), greyscale p 0.2, Gaussian blur
    (`blur_probability`, sigma 0.1..2 pixels).

    What is None comes from the published presets, by the longer output side:

        | output side       | strength | area      | blur_probability |
        | up to 32 (CIFAR)  | 0.5      | (0.2, 1)  | 0                |
        | above (ImageNet)  | 1.0      | (0.08, 1) | 0.5              |

    Args:
      images: `[B, H, W, C]` uint8 in 0..255 or floats in [0, 1]; C = 1 or 3,
        statically known; B, H and W may be unknown. Or an `EncodedImage`, of
        which B views are made.
      seeds: `[B, 2]` int32 or int64. A view depends only on its own image and
        seed, up to float32 rounding.
      image_size: positive int, or (height, width), of the views.
      strength: float in [0, 2.5], of the colour jitter.
      area: (low, high) share of the image that the crop covers,
        0 < low <= high <= 1.
      blur_probability: float in [0, 1].
      additive_brightness: whether the jitter adds to the brightness, as
        tf.image and the official ImageNet presets, rather than multiplies it,
        as torchvision and the CIFAR presets.

    Returns:
      `[B, height, width, C]` float32 in [0, 1].

    Raises:
      ValueError: on any input not as described.

    Example:
      >>> seeds = tf.stack([tf.fill([64], epoch), tf.range(64)], axis=1)
      >>> views = simclr(images, seeds, 32)

    Reference:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, appendix A (ImageNet: strength 1) and B.9 (CIFAR:
      strength 0.5, no blur). Area 0.2..1, the torchvision-like jitter and
      bilinear resizing: official SupCon code, presets for CIFAR.
    """
    size = checked_size(image_size)
    strength, blur_probability = _presets(size, strength, blur_probability)
    planes = random_crop(images, seeds, size, area=area, flip=True)
    planes = color.random_color_jitter(
        planes,
        seeds,
        strength=strength,
        additive_brightness=additive_brightness,
    )
    return _gray_and_blurred(planes, seeds, blur_probability)


def autoaugment(images, seeds, image_size, *, area=None, policy=None):
    """AutoAugment: crop, flip, and one of 25 learnt pairs of operations.

    In the official SupCon code: ResNet-50 and 101 on ImageNet.

    Args:
      images: as for `simclr`.
      seeds: `[B, 2]` int32 or int64, as for `simclr`.
      image_size: positive int, or (height, width), of the views.
      area: (low, high) share of the image that the crop covers,
        0 < low <= high <= 1; None as in `simclr`.
      policy: "imagenet", "cifar10" or "v0", see
        `policies.random_autoaugment`. None: "cifar10" for an output of up to
        32 pixels, else "imagenet"; the official SupCon code takes "v0".

    Returns:
      `[B, height, width, C]` float32 in [0, 1].

    Raises:
      ValueError: on any input not as described.

    Example:
      >>> views = autoaugment(images, seeds, 224, policy="v0")

    Reference:
      Cubuk et al., AutoAugment: Learning Augmentation Strategies from Data,
      2019.
    """
    size = checked_size(image_size)
    if policy is None:
        policy = "cifar10" if is_small(size) else "imagenet"
    planes = random_crop(images, seeds, size, area=area, flip=True)
    planes = random_operations.random_autoaugment(planes, seeds, policy=policy)
    return to_images(planes)


def randaugment(
    images, seeds, image_size, *, magnitude=10, num_layers=2, area=None
):
    """RandAugment: crop, flip, and some operations of one magnitude.

    Args:
      images: as for `simclr`.
      seeds: `[B, 2]` int32 or int64, as for `simclr`.
      image_size: positive int, or (height, width), of the views.
      magnitude: float in [0, 30], see `policies.random_randaugment`.
      num_layers: int >= 1, operations per image.
      area: (low, high) share of the image that the crop covers,
        0 < low <= high <= 1; None as in `simclr`.

    Returns:
      `[B, height, width, C]` float32 in [0, 1].

    Raises:
      ValueError: on any input not as described.

    Example:
      >>> views = randaugment(images, seeds, 32, magnitude=5)

    Reference:
      Cubuk et al., RandAugment: Practical Automated Data Augmentation with a
      Reduced Search Space, 2020.
    """
    size = checked_size(image_size)
    planes = random_crop(images, seeds, size, area=area, flip=True)
    planes = random_operations.random_randaugment(
        planes, seeds, num_layers=num_layers, magnitude=magnitude
    )
    return to_images(planes)


def stacked_randaugment(
    images,
    seeds,
    image_size,
    *,
    strength=None,
    magnitude=10,
    num_layers=2,
    area=None,
    blur_probability=None,
    additive_brightness=False,
):
    """Stacked RandAugment: `simclr` with RandAugment after its colour jitter.

    In this order: crop, flip, colour jitter p 0.8, RandAugment, greyscale
    p 0.2, blur. The strongest of the pipelines; in the official SupCon code:
    ResNet-200 on ImageNet.

    Args:
      images: as for `simclr`.
      seeds: `[B, 2]` int32 or int64, as for `simclr`.
      image_size: positive int, or (height, width), of the views.
      strength: float in [0, 2.5], of the colour jitter; None as in `simclr`.
      magnitude: float in [0, 30], see `policies.random_randaugment`.
      num_layers: int >= 1, operations of RandAugment per image.
      area: (low, high) share of the image that the crop covers,
        0 < low <= high <= 1; None as in `simclr`.
      blur_probability: float in [0, 1]; None as in `simclr`.
      additive_brightness: as in `simclr`.

    Returns:
      `[B, height, width, C]` float32 in [0, 1].

    Raises:
      ValueError: on any input not as described.

    Example:
      >>> views = stacked_randaugment(images, seeds, 224, magnitude=5)

    Reference:
      Tian et al., What Makes for Good Views for Contrastive Learning?, 2020;
      the order as in the official SupCon code.
    """
    size = checked_size(image_size)
    strength, blur_probability = _presets(size, strength, blur_probability)
    planes = random_crop(images, seeds, size, area=area, flip=True)
    planes = color.random_color_jitter(
        planes,
        seeds,
        strength=strength,
        additive_brightness=additive_brightness,
    )
    planes = random_operations.random_randaugment(
        planes, seeds, num_layers=num_layers, magnitude=magnitude
    )
    return _gray_and_blurred(planes, seeds, blur_probability)


def _presets(size, strength, blur_probability):
    """What is None, by the size: see `simclr`."""
    if strength is None:
        strength = 0.5 if is_small(size) else 1.0
    if blur_probability is None:
        blur_probability = 0.0 if is_small(size) else 0.5
    if not 0 <= blur_probability <= 1:
        raise ValueError(
            "`blur_probability` must be in [0, 1]. "
            f"Received: blur_probability={blur_probability}"
        )
    return strength, blur_probability


def _gray_and_blurred(planes, seeds, blur_probability):
    planes = color.random_grayscale(planes, seeds)
    if blur_probability > 0:
        planes = spatial.random_blur(
            planes, seeds, probability=blur_probability
        )
    return to_images(planes)
