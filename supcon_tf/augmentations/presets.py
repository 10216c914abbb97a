"""The published settings of the augmentations, for the host and the device.

The pipelines on the host (pipelines.py, crops.py) and those on the device
(on_device/) read the same numbers here. This file needs no TensorFlow.
"""

import operator

import numpy as np

# ITU-R 601, the weights of red, green and blue in grey.
GRAY = (0.299, 0.587, 0.114)
# Width / height of a random resized crop, and how often it is drawn before the
# centred window is taken: Szegedy et al. 2015, and torchvision.
CROP_RATIO = (3 / 4, 4 / 3)
CROP_ATTEMPTS = 10
# 0.5 everywhere in the literature.
FLIP_PROBABILITY = 0.5
# Chen et al., SimCLR, 2020, appendix A.
JITTER_PROBABILITY = 0.8
GRAYSCALE_PROBABILITY = 0.2
BLUR_SIGMA = (0.1, 2.0)  # pixels
# A digit of which half is seen is still that digit.
DIGIT_AREA = (0.5, 1.0)


def checked_size(image_size, name="image_size"):
    """Returns a size as (height, width).

    Args:
      image_size: a positive int for both sides, or a pair of them.
      name: string, how an error message calls the argument.

    Returns:
      (height, width), two positive ints.

    Raises:
      ValueError: if it is neither.

    Example:
      >>> checked_size(32), checked_size([48, 32])
      ((32, 32), (48, 32))
    """
    try:
        sides = tuple(image_size)
    except TypeError:  # one number
        sides = (image_size, image_size)
    try:
        size = tuple(operator.index(side) for side in sides)
    except TypeError:  # not an int
        size = ()
    if len(size) != 2 or min(size) < 1:
        raise ValueError(
            f"`{name}` must be a positive int or a pair of them. "
            f"Received: {name}={image_size}"
        )
    return size


def is_small(size):
    """Tells whether an output is as small as CIFAR's, by its longer side.

    Args:
      size: (height, width), in pixels.

    Returns:
      A bool, True up to 32 pixels.

    Example:
      >>> is_small((32, 24)), is_small((32, 33))
      (True, False)
    """
    return max(size) <= 32


def crop_area(area, size):
    """The share of the image that a random crop covers, checked.

    Args:
      area: (low, high), or None for the preset of the size.
      size: (height, width) of the output, in pixels.

    Returns:
      (low, high), 0 < low <= high <= 1.

    Raises:
      ValueError: if it is not so.

    Example:
      >>> crop_area(None, (32, 32)), crop_area(None, (224, 224))
      ((0.2, 1.0), (0.08, 1.0))
    """
    if area is None:
        area = (0.2, 1.0) if is_small(size) else (0.08, 1.0)
    if np.shape(area) != (2,) or not 0 < area[0] <= area[1] <= 1:
        raise ValueError(
            "`area` must be (low, high) with 0 < low <= high <= 1. "
            f"Received: area={area}"
        )
    return tuple(area)


def jitter_strength(strength, size):
    """The strength of the colour jitter; None takes the preset of the size.

    Args:
      strength: float, or None.
      size: (height, width) of the output, in pixels.

    Returns:
      A float; `jitter_ranges` refuses one that is out of range.

    Example:
      >>> jitter_strength(None, (32, 32)), jitter_strength(None, (224, 224))
      (0.5, 1.0)
    """
    if strength is not None:
        return strength
    return 0.5 if is_small(size) else 1.0


def jitter_ranges(strength):
    """The ranges that the colour jitter draws from.

    With s = 0.8 * strength, factors of brightness, contrast and saturation are
    uniform in [max(0, 1 - s), 1 + s], and an additive brightness in [-s, s].
    The shift of the hue is uniform in 0.2 * strength * [-1, 1], where 1 is the
    whole circle.

    Args:
      strength: float in [0, 2.5]. At 2.5, shifts reach half the hue circle.

    Returns:
      `(low, high, added, turn)`, floats: the factors' range, and the largest
      additive brightness and shift.

    Raises:
      ValueError: if the strength is out of range.

    Example:
      >>> jitter_ranges(1.0)
      (0.19999999999999996, 1.8, 0.8, 0.2)

    Reference:
      Chen et al., SimCLR, 2020, appendix A.
    """
    if not 0 <= strength <= 2.5:
        raise ValueError(
            f"`strength` must be in [0, 2.5]. Received: strength={strength}"
        )
    spread = 0.8 * strength
    return max(0.0, 1 - spread), 1 + spread, spread, 0.2 * strength


def blur_share(probability, size):
    """The probability that a view is blurred; None takes the size's preset.

    Args:
      probability: float in [0, 1], or None.
      size: (height, width) of the output, in pixels.

    Returns:
      A float in [0, 1].

    Raises:
      ValueError: if it is out of range.

    Example:
      >>> blur_share(None, (32, 32)), blur_share(None, (224, 224))
      (0.0, 0.5)
    """
    if probability is None:
        probability = 0.0 if is_small(size) else 0.5
    if not 0 <= probability <= 1:
        raise ValueError(
            "`blur_probability` must be in [0, 1]. "
            f"Received: blur_probability={probability}"
        )
    return probability


def blur_radius(size):
    """The radius of the Gaussian's kernel, which has 2 * radius + 1 taps.

    The kernel is a tenth of the shorter side, made odd, as in Chen et al.,
    SimCLR, 2020, appendix A.

    Args:
      size: (height, width), in pixels.

    Returns:
      An int >= 0.

    Example:
      >>> blur_radius((32, 32)), blur_radius((224, 224))
      (1, 11)
    """
    return min(size) // 10 // 2


def evaluation_padding(padding, size):
    """By how many pixels an image is resized larger than the output.

    Args:
      padding: int >= 0. None takes 0 for a small output (CIFAR), else 32.
      size: (height, width) of the output, in pixels.

    Returns:
      An int >= 0.

    Raises:
      ValueError: if it is negative.

    Example:
      >>> evaluation_padding(None, (224, 224))
      32
    """
    if padding is None:
        padding = 0 if is_small(size) else 32
    if padding < 0:
        raise ValueError(f"`padding` must be >= 0. Received: padding={padding}")
    return padding
