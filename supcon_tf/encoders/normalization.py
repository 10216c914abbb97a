"""The mean and standard deviation by which encoders normalise their images."""

import keras

IMAGENET_MEAN = (0.485, 0.456, 0.406)

IMAGENET_STD = (0.229, 0.224, 0.225)


def check_normalization(mean, std):
    """Refuses a mean and a standard deviation that cannot normalise images.

    Args:
      mean: three floats, the mean of the RGB channels.
      std: three positive floats, their standard deviation.

    Raises:
      ValueError: if there are not three of each, or one of std is not positive.
    """
    if len(mean) != 3 or len(std) != 3 or not min(std) > 0:
        raise ValueError(
            "`mean` and `std` must be three floats each, the latter > 0. "
            f"Received: mean={mean}, std={std}"
        )


def normalized(images, mean, std):
    """Normalises images as the first layer of an encoder does, in float32.

    bfloat16 has 8 bits, too few for the range of the input.

    Args:
      images: `keras.Input` of RGB images in [0, 1].
      mean: three floats, the mean of the RGB channels.
      std: three positive floats, their standard deviation.

    Returns:
      A `KerasTensor` of the same shape.
    """
    return keras.layers.Normalization(
        mean=mean,
        variance=[s**2 for s in std],
        dtype="float32",
        name="normalization",
    )(images)
