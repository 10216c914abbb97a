"""Training images and held-out ones, class by class."""

import math

import numpy as np
from sklearn.model_selection import train_test_split

from supcon_tf.data.streamed_images import StreamedImages

TEST_FRACTION = 0.2  # of the images of a data set without test images


def split(source, fraction, *, seed):
    """Splits labelled images class by class; a stream, at a place in its files.

    Args:
      source: `LabelledImages`, two or more of each class; or `StreamedImages`,
        whose labels nobody has read: the second part is the end of it.
      fraction: float in (0, 1), the share of the second part.
      seed: integer; the same seed gives the same split. Ignored by a stream.

    Returns:
      Two sources of the same kind.

    Raises:
      ValueError: if a class has a single image, or a part would have fewer
        images than there are classes.
    """
    num_classes = len(source.class_names)
    second_size = math.ceil(fraction * len(source))
    if not num_classes <= second_size <= len(source) - num_classes:
        raise ValueError(
            f"`validation_fraction` must leave {num_classes} images, one a "
            f"class, or more in both parts of {len(source)}. "
            f"Received: validation_fraction={fraction}"
        )
    if isinstance(source, StreamedImages):
        first_size = len(source) - second_size
        return source.part(0, first_size), source.part(first_size, len(source))
    counts = np.bincount(source.labels, minlength=num_classes)
    if (counts == 1).any():
        name = source.class_names[int((counts == 1).argmax())]
        raise ValueError(
            "A class must have two or more images to be split. Received: one "
            f"image of class {name!r}"
        )
    first, second = train_test_split(
        np.arange(len(source)),
        test_size=fraction,
        random_state=seed,
        stratify=source.labels,
    )
    return source.take(np.sort(first)), source.take(np.sort(second))
