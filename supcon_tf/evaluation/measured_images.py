"""Loads the training and test images that an encoder is measured on."""

import numpy as np

from supcon_tf.data.datasets import load_dataset
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.splits import TEST_FRACTION, split, split_labels


def parts_of(
    name,
    *,
    data_dir=None,
    download=False,
    max_samples=None,
    max_test_images=None,
    held_out=(),
    validation_fraction=0.1,
    neighbors=(1,),
    seed=0,
):
    """Loads training and test images, and checks that there are enough.

    Many data sets, such as most folders, have no test images of their own. A
    share of the images is then held out as test images. An encoder that was
    trained on this data set must have held out the same ones, since it would
    otherwise be tested on images that it was trained on.

    Args:
      name: as in `load_dataset`.
      data_dir: as in `load_dataset`.
      download: as in `load_dataset`.
      max_samples: as in `load_dataset`.
      max_test_images: int >= 1, the most test images, or None for all. They
        are drawn at random; from a stream, the first ones are taken.
      held_out: for each encoder that was trained on this data set, a dict of
        how its training held out test images: `seed`, `test_fraction` and
        perhaps `held_out` and `max_pixels`, as for `load_dataset`. `()`, the
        default, if none was.
      validation_fraction: float in (0, 1), the share of the training images
        that will be held out to choose k, or None, as in `split`.
      neighbors: ints >= 1, the k to choose from.
      seed: integer that decides which images are drawn and held out.

    Returns:
      `(train, test)`, as `load_dataset` returns them.

    Raises:
      ValueError: if there is no such data set, if there are too few images, or
        if the encoders' trainings held out different images.

    Example:
      >>> train, test = parts_of("digits", max_test_images=100)
      >>> len(train), len(test)
      (1437, 100)
    """
    held_out = held_out or [{"seed": seed, "test_fraction": TEST_FRACTION}]
    loaded = [
        load_dataset(
            name,
            data_dir=data_dir,
            download=download,
            max_samples=max_samples,
            **how,
        )
        for how in held_out
    ]
    (train, test), *others = loaded
    if not all(_are_same(test, other) for _, other in others):
        raise ValueError(
            "`baseline` must be trained without the images that `encoder` is "
            f"tested on, of {name!r}: with the same seed and "
            "validation_fraction. Received: "
            + " and ".join(
                f"seed={how['seed']}, {how['test_fraction']:g}"
                for how in held_out
            )
        )
    limit = min(max_test_images or len(test), len(test))
    if isinstance(test, LabelledImages):
        random = np.random.default_rng(seed)
        test = test.take(np.sort(random.permutation(len(test))[:limit]))
        _refuse_too_few(name, train, test)
        fitted, _ = split_labels(
            train.labels,
            validation_fraction,
            class_names=train.class_names,
            seed=seed,
        )
    else:
        test = test.part(0, limit)
        fitted, _ = split(train, validation_fraction, seed=seed)
    if min(neighbors) > len(fitted):
        raise ValueError(
            "`neighbors` must have an int up to the number of training images "
            f"that are not held out, {len(fitted)}. "
            f"Received: neighbors={neighbors}"
        )
    return train, test


def unknown_images(
    name,
    known,
    *,
    data_dir=None,
    download=False,
    max_test_images=None,
    seed=0,
):
    """Loads test images of classes that are not among the known ones.

    Args:
      name: as in `load_dataset`.
      known: names of the known classes. Images of a class of such a name are
        left out.
      data_dir: as in `load_dataset`.
      download: as in `load_dataset`.
      max_test_images: as in `parts_of`.
      seed: as in `parts_of`.

    Returns:
      The images, as `load_dataset` returns test images, and the sorted names of
      the classes that were left out.

    Raises:
      ValueError: if there is no such data set, or no image is left. And if a
        class of a stream is known, since its labels are not known beforehand.

    Example:
      >>> unknown, left_out = unknown_images("digits", ("0", "cat"))
      >>> left_out, 0 in unknown.labels
      (['0'], False)
    """
    _, test = load_dataset(
        name, data_dir=data_dir, download=download, seed=seed
    )
    left_out = sorted(set(test.class_names) & set(known))
    if not isinstance(test, LabelledImages):
        if left_out:
            raise ValueError(
                "`dataset` must have no known class if it is streamed. "
                f"Received: dataset={name!r} with {left_out}"
            )
        return test.part(0, min(max_test_images or len(test), len(test))), []
    is_known = np.isin(np.array(test.class_names), left_out)
    (kept,) = np.nonzero(~is_known[test.labels])
    if not len(kept):
        raise ValueError(
            "`dataset` must have images of classes that are not known. "
            f"Received: dataset={name!r} with {left_out} alone"
        )
    order = np.random.default_rng(seed).permutation(len(kept))
    return test.take(kept[np.sort(order[:max_test_images])]), left_out


def _are_same(test, other):
    if isinstance(test, LabelledImages):
        return np.array_equal(test.images, other.images)
    return len(test) == len(other)  # both are the end of the same files


def _refuse_too_few(name, train, test):
    for part, source in (("training", train), ("test", test)):
        counts = np.bincount(source.labels)
        if np.count_nonzero(counts) < 2 or counts.max() < 2:
            raise ValueError(
                f"`dataset` must have {part} images of two or more classes, "
                f"two or more of one. Received: dataset={name!r} with "
                f"{len(source)} {part} images"
            )
