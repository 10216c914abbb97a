"""Splits labelled images into training images and held-out ones."""

import math

import numpy as np
from sklearn.model_selection import train_test_split

from supcon_tf.data.streamed_images import StreamedImages

# The share that is held out of a data set without test images.
TEST_FRACTION = 0.2
# The share that is held out to choose a setting, where there are images enough.
CHOICE_FRACTION = 0.1


def split(source, fraction, *, seed):
    """Splits labelled images into two parts, class by class.

    A stream is split at a place in its files instead, since its labels are not
    known beforehand. Its second part is its end.

    Args:
      source: `LabelledImages`, with two or more images of each class, or
        `StreamedImages`.
      fraction: float in (0, 1), the share of the second part. None takes 0.1,
        or more where that is not one image a class.
      seed: integer. The same seed gives the same split. A stream ignores it.

    Returns:
      Two sources of the same kind.

    Raises:
      ValueError: if a class has a single image, or a part would have fewer
        images than there are classes.

    Example:
      >>> first, second = split(train, 0.25, seed=0)
      >>> len(first), len(second)
      (150, 50)
    """
    if isinstance(source, StreamedImages):
        size = len(source)
        fraction = _share(fraction, size, source.class_names)
        first_size = size - _second_size(size, fraction, source.class_names)
        return source.part(0, first_size), source.part(first_size, size)
    first, second = split_labels(
        source.labels, fraction, class_names=source.class_names, seed=seed
    )
    return source.take(first), source.take(second)


def split_labels(labels, fraction, *, class_names, seed):
    """Splits images into two parts, class by class, given only their labels.

    Args:
      labels: `[n]` integers, two or more of each class.
      fraction: as in `split`.
      class_names: names of the classes.
      seed: integer. The same seed gives the same split.

    Returns:
      Two sorted integer arrays, the positions of the images of each part.

    Raises:
      ValueError: as in `split`.

    Example:
      >>> first, second = split_labels(
      ...     labels, 0.5, class_names=list("abcd"), seed=0
      ... )
      >>> np.sort(labels[first]).tolist()
      [0, 1, 2, 3]
    """
    counts = np.bincount(labels, minlength=len(class_names))
    single = [class_names[i] for i in np.flatnonzero(counts == 1)]
    if single:
        raise ValueError(
            "A class must have two or more images to be split: add images, or "
            "remove it. Received: one image of class "
            f"{', '.join(map(repr, single))}"
        )
    fraction = _share(fraction, len(labels), class_names)
    _second_size(len(labels), fraction, class_names)
    first, second = train_test_split(
        np.arange(len(labels)),
        test_size=fraction,
        random_state=seed,
        stratify=labels,
    )
    return np.sort(first), np.sort(second)


def _share(fraction, size, class_names):
    """The share that is asked for, or one that holds an image a class."""
    if fraction is not None:
        return fraction
    return max(CHOICE_FRACTION, len(class_names) / max(size, 1))


def _second_size(size, fraction, class_names):
    """The size of the second part. Each part needs one image per class."""
    second_size = math.ceil(fraction * size)
    num_classes = len(class_names)
    if not num_classes <= second_size <= size - num_classes:
        raise ValueError(
            f"`validation_fraction` must leave {num_classes} images, one a "
            f"class, or more in both parts of {size}. "
            f"Received: validation_fraction={fraction}"
        )
    return second_size
