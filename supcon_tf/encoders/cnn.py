"""A plain convolutional network for images of about 32 pixels.

On a CPU it trains faster than a ResNet of the same accuracy. An encoder maps
float32 RGB images in [0, 1] to representations and contains its own
normalisation.
"""

import math
from collections.abc import Sequence

import keras
from keras import layers

from supcon_tf.encoders.normalization import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    check_normalization,
    normalized,
)

_PATCH_FILTERS = 24  # twice the 2 * 2 * 3 numbers of a patch
_FILTERS = (64, 256, 256)
_SMALLEST = 9  # pixels, of which the last pooling leaves one


def cnn(
    input_shape: tuple[int | None, int | None, int],
    *,
    width: float = 1.0,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    name: str | None = "cnn",
) -> keras.Model:
    """Makes a network of seven convolutions, of 2.0 M parameters.

    A 2x2 convolution looks at each patch. Three groups of two 3x3 convolutions
    follow, with max pooling after the first of each, and BatchNormalization and
    ReLU after both. The representation is the mean over the last map:

        x = relu(conv2x2(images))
        x = relu(norm(pool(conv3x3(x)))); x = relu(norm(conv3x3(x)))    3 times

    Args:
      input_shape: `(height, width, 3)` of the images. Height and width may be
        None, and are at least 9.
      width: float >= 1/64. It multiplies the 64, 256 and 256 filters of the
        groups.
      mean: three floats, the RGB mean of the training images, in [0, 1].
      std: three positive floats, their standard deviation.
      name: name of the model.

    Returns:
      A `keras.Model`, float32 RGB images `[B, height, width, 3]` in [0, 1] ->
      representations `[B, 256 * width]`.

    Raises:
      ValueError: if an argument is out of its range.

    Example:
      >>> encoder = cnn((32, 32, 3), width=0.5)
      >>> encoder.output_shape
      (None, 128)

    Reference:
      The network of Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU",
      2024, arXiv 2404.00498, with ReLU, the mean in place of the last maximum,
      and a first convolution that is trained.
    """
    _check(input_shape, width)
    check_normalization(mean, std)
    images = keras.Input(input_shape, name="images")
    x = normalized(images, mean, std)
    x = layers.Conv2D(_PATCH_FILTERS, 2, activation="relu", name="patches")(x)
    for number, most in enumerate(_FILTERS, 1):
        for part in (1, 2):
            place = f"group{number}_{{}}{part}".format
            x = layers.Conv2D(
                int(most * width),
                3,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                name=place("conv"),
            )(x)
            if part == 1:
                x = layers.MaxPooling2D(2, name=f"group{number}_pool")(x)
            x = layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, name=place("bn")
            )(x)
            x = layers.ReLU(name=place("relu"))(x)
    x = layers.GlobalAveragePooling2D(name="representation", dtype="float32")(x)
    return keras.Model(images, x, name=name)


def _check(input_shape, width):
    if len(input_shape) != 3 or input_shape[-1] != 3:
        raise ValueError(
            "`input_shape` must be (height, width, 3). "
            f"Received: input_shape={tuple(input_shape)}"
        )
    if any(side is not None and side < _SMALLEST for side in input_shape[:2]):
        raise ValueError(
            f"`input_shape` must have a height and a width of at least "
            f"{_SMALLEST}. Received: input_shape={tuple(input_shape)}"
        )
    if not 1 <= _FILTERS[0] * width < math.inf:
        raise ValueError(
            "`width` must be finite and at least 1/64, one filter. "
            f"Received: width={width}"
        )
