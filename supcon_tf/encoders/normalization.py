"""How encoders normalise their images: mean and standard deviation."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)

IMAGENET_STD = (0.229, 0.224, 0.225)


def check_normalization(mean, std):
    """Refuses what cannot normalise RGB images.

    Args:
      mean: of the images.
      std: their standard deviation.

    Raises:
      ValueError: unless both are three floats, the latter positive.
    """
    if len(mean) != 3 or len(std) != 3 or not min(std) > 0:
        raise ValueError(
            "`mean` and `std` must be three floats each, the latter > 0. "
            f"Received: mean={mean}, std={std}"
        )
