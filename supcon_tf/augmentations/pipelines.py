"""The pipelines that also change colours: SimCLR and the learnt policies.

A pipeline takes (images, seeds, image_size) and makes one view of each image.
Call it again with other seeds for another view of the same images. The
pipelines that only crop are in crops.py.
"""

from typing import Any

from numpy.typing import ArrayLike

from supcon_tf.augmentations import color, spatial
from supcon_tf.augmentations.crops import random_crop
from supcon_tf.augmentations.planes import to_images
from supcon_tf.augmentations.policies import random_operations
from supcon_tf.augmentations.presets import (
    blur_share,
    checked_size,
    is_small,
    jitter_strength,
)


def simclr(
    images: ArrayLike,
    seeds: ArrayLike,
    image_size: int | tuple[int, int],
    *,
    strength: float | None = None,
    area: tuple[float, float] | None = None,
    blur_probability: float | None = None,
    additive_brightness: bool = False,
) -> Any:
    """Makes views as SimCLR: crop, flip, colour jitter, greyscale and blur.

    Each step draws its parameters per image. The order is random resized crop
    (`area`, ratio 3/4..4/3), flip with probability 0.5, colour jitter with
    probability 0.8 (`strength`), greyscale with probability 0.2, and Gaussian
    blur (`blur_probability`, sigma 0.1..2 pixels).

    An argument that is None takes the value of the published presets, which
    depends on the longer side of the output:

        | output side       | strength | area      | blur_probability |
        | up to 32 (CIFAR)  | 0.5      | (0.2, 1)  | 0                |
        | above (ImageNet)  | 1.0      | (0.08, 1) | 0.5              |

    Args:
      images: `[B, H, W, C]` uint8 in 0..255 or floats in [0, 1]. C is 1 or 3
        and statically known; B, H and W may be unknown. It can also be an
        `EncodedImage`, of which B views are made.
      seeds: `[B, 2]` int32 or int64. A view depends only on its own image and
        seed, up to float32 rounding.
      image_size: positive int, or (height, width), of the views.
      strength: float in [0, 2.5], of the colour jitter.
      area: (low, high) share of the image that the crop covers,
        0 < low <= high <= 1.
      blur_probability: float in [0, 1] that a view is blurred.
      additive_brightness: if True, the jitter adds to the brightness, as
        tf.image and the official ImageNet presets do. If False, the default, it
        multiplies the brightness, as torchvision and the CIFAR presets do.

    Returns:
      `[B, height, width, C]` float32 in [0, 1].

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> epoch = 0
      >>> seeds = tf.stack([tf.fill([8], epoch), tf.range(8)], axis=1)
      >>> simclr(images, seeds, 32).shape
      TensorShape([8, 32, 32, 3])

    Reference:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, appendix A (ImageNet: strength 1) and B.9 (CIFAR:
      strength 0.5, no blur). The area 0.2..1, the torchvision-like jitter and
      the bilinear resizing are from the official SupCon code, presets for
      CIFAR.
    """
    size = checked_size(image_size)
    strength = jitter_strength(strength, size)
    blur_probability = blur_share(blur_probability, size)
    planes = random_crop(images, seeds, size, area=area, flip=True)
    planes = color.random_color_jitter(
        planes,
        seeds,
        strength=strength,
        additive_brightness=additive_brightness,
    )
    return _gray_and_blurred(planes, seeds, blur_probability)


def autoaugment(
    images: ArrayLike,
    seeds: ArrayLike,
    image_size: int | tuple[int, int],
    *,
    area: tuple[float, float] | None = None,
    policy: str | None = None,
) -> Any:
    """Makes views by AutoAugment: crop, flip, and one of 25 learnt pairs.

    Each of the two operations of a pair is applied with its own probability,
    on 8-bit values. The official SupCon code uses AutoAugment for ResNet-50 and
    ResNet-101 on ImageNet.

    Args:
      images: as in `simclr`.
      seeds: `[B, 2]` int32 or int64, as in `simclr`.
      image_size: positive int, or (height, width), of the views.
      area: (low, high) share of the image that the crop covers,
        0 < low <= high <= 1; None as in `simclr`.
      policy: "imagenet" or "cifar10", the tables of the paper's appendix, or
        "v0", another one learnt on ImageNet. The Model Garden takes "v0" by
        default, and so does the official SupCon code. None takes "cifar10" for
        an output of up to 32 pixels, else "imagenet".

    Returns:
      `[B, height, width, C]` float32, multiples of 1 / 255 in [0, 1].

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> seeds = tf.stack([tf.zeros(8, tf.int32), tf.range(8)], axis=1)
      >>> autoaugment(images, seeds, 24, policy="v0").shape
      TensorShape([8, 24, 24, 3])

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
    images: ArrayLike,
    seeds: ArrayLike,
    image_size: int | tuple[int, int],
    *,
    magnitude: float = 10,
    num_layers: int = 2,
    area: tuple[float, float] | None = None,
) -> Any:
    """Makes views by RandAugment: crop, flip, and operations of one magnitude.

    The operations are drawn uniformly, per image, from 17: identity, auto
    contrast, equalize, invert, posterize, solarize, solarize add, colour,
    contrast, brightness, sharpness, shear and translate in x and y, rotate, and
    cutout. They work on 8-bit values.

    Args:
      images: as in `simclr`.
      seeds: `[B, 2]` int32 or int64, as in `simclr`.
      image_size: positive int, or (height, width), of the views.
      magnitude: float in [0, 30]. It is 10 in the official code, and 9 to 28 on
        this scale for the paper's models. Two operations, posterize and
        solarize, change an image less when the magnitude is higher.
      num_layers: int >= 1, operations per image; 2 in the official code.
      area: (low, high) share of the image that the crop covers,
        0 < low <= high <= 1; None as in `simclr`.

    Returns:
      `[B, height, width, C]` float32, multiples of 1 / 255 in [0, 1].

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> seeds = tf.stack([tf.zeros(8, tf.int32), tf.range(8)], axis=1)
      >>> randaugment(images, seeds, 32, magnitude=5).shape
      TensorShape([8, 32, 32, 3])

    Reference:
      Cubuk et al., RandAugment: Practical Automated Data Augmentation with a
      Reduced Search Space, 2020. The list of operations is the Model Garden's;
      the paper has no invert, solarize add and cutout.
    """
    size = checked_size(image_size)
    planes = random_crop(images, seeds, size, area=area, flip=True)
    planes = random_operations.random_randaugment(
        planes, seeds, num_layers=num_layers, magnitude=magnitude
    )
    return to_images(planes)


def stacked_randaugment(
    images: ArrayLike,
    seeds: ArrayLike,
    image_size: int | tuple[int, int],
    *,
    strength: float | None = None,
    magnitude: float = 10,
    num_layers: int = 2,
    area: tuple[float, float] | None = None,
    blur_probability: float | None = None,
    additive_brightness: bool = False,
) -> Any:
    """Makes views as `simclr`, with RandAugment after the colour jitter.

    The order is crop, flip, colour jitter with probability 0.8, RandAugment,
    greyscale with probability 0.2, and blur. This is the strongest of the
    pipelines. The official SupCon code uses it for ResNet-200 on ImageNet.

    Args:
      images: as in `simclr`.
      seeds: `[B, 2]` int32 or int64, as in `simclr`.
      image_size: positive int, or (height, width), of the views.
      strength: float in [0, 2.5], of the colour jitter; None as in `simclr`.
      magnitude: float in [0, 30], as in `randaugment`.
      num_layers: int >= 1, operations of RandAugment per image.
      area: (low, high) share of the image that the crop covers,
        0 < low <= high <= 1; None as in `simclr`.
      blur_probability: float in [0, 1]; None as in `simclr`.
      additive_brightness: as in `simclr`.

    Returns:
      `[B, height, width, C]` float32 in [0, 1].

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> seeds = tf.stack([tf.zeros(8, tf.int32), tf.range(8)], axis=1)
      >>> stacked_randaugment(images, seeds, 48, magnitude=5).shape
      TensorShape([8, 48, 48, 3])

    Reference:
      Tian et al., What Makes for Good Views for Contrastive Learning?, 2020.
      The order is that of the official SupCon code.
    """
    size = checked_size(image_size)
    strength = jitter_strength(strength, size)
    blur_probability = blur_share(blur_probability, size)
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


def _gray_and_blurred(planes, seeds, blur_probability):
    planes = color.random_grayscale(planes, seeds)
    if blur_probability > 0:
        planes = spatial.random_blur(
            planes, seeds, probability=blur_probability
        )
    return to_images(planes)
