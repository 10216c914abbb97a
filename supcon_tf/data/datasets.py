"""Labelled images by name: the embedded digits, TFDS, folders of one's own."""

import dataclasses
import functools

import numpy as np
import sklearn.datasets
import tensorflow as tf

from supcon_tf.data import image_folder
from supcon_tf.data.labelled_images import LabelledImages, noisy_labels
from supcon_tf.data.splits import TEST_FRACTION, split
from supcon_tf.data.streamed_images import StreamedImages
from supcon_tf.data.tfds_images import load_tfds

_TFDS = "tfds:"


def load_dataset(
    name,
    *,
    data_dir=None,
    download=False,
    validation_fraction=None,
    seed=0,
    max_samples=None,
    label_noise=0.0,
    test_fraction=TEST_FRACTION,
):
    """Training and test images of a data set, by its name in `DATASETS`.

    What does not fit into memory is a stream of files; see `tfds_images`.

    Args:
      name: `"digits"`, embedded in scikit-learn; `"cifar10"`, `"cifar100"`,
        `"imagenette"` (of its sizes the largest that is there), and
        `"imagenet2012"`, as tensorflow-datasets prepares them, and any other of
        its image classification sets as `"tfds:NAME"`, `"tfds:NAME/CONFIG"` or
        `"tfds:NAME/CONFIG:VERSION"`; `"folder"`, one's own images as
        `image_folder.find_images` describes.
      data_dir: folder of the images; for tensorflow-datasets, its data_dir
        (default: `$TFDS_DATA_DIR`, or ~/tensorflow_datasets).
      download: whether tensorflow-datasets may download and prepare the data
        set if it is not in data_dir.
      validation_fraction: float in (0, 1): this part of the training images
        takes the place of the test images, to choose settings without a look
        at these; see `split`. None: the data set's own test images; where it
        has none, `test_fraction` of its images.
      seed: integer that decides which part that is, and the label noise.
      max_samples: int N >= 1: the first N of the training images that are left,
        in the order of their files; of a folder, whose files lie class by
        class, as large a part of each class. None: all.
      label_noise: float in [0, 1], probability that a training label is
        replaced by a class drawn uniformly, which may be the true one. It is
        decided once, by the seed and the position of an image. Test images and
        those held out keep their labels.
      test_fraction: float in (0, 1), see `validation_fraction`.

    Returns:
      `(train, test)`, two `LabelledImages`, or two `StreamedImages` where they
      are too large for memory.

    Raises:
      ValueError: if the name is unknown, the data is not where it should be, or
        a number is out of its range.

    Example:
      >>> train, test = load_dataset("digits")
      >>> len(train), len(test), train.images.shape[1:]
      (1437, 360, (8, 8, 3))

    Reference:
      `max_samples` and `label_noise_prob` of the official SupCon code.
    """
    if not 0 <= label_noise <= 1:
        raise ValueError(
            f"`label_noise` must be in [0, 1]. Received: "
            f"label_noise={label_noise}"
        )
    if name.startswith(_TFDS):
        load = functools.partial(load_tfds, name.removeprefix(_TFDS))
    elif name in DATASETS:
        load = DATASETS[name]
    else:
        raise ValueError(
            f"`dataset` must be one of {sorted(DATASETS)}, or tfds:NAME. "
            f"Received: dataset={name!r}"
        )
    train, test = load(data_dir=data_dir, download=download)
    if validation_fraction is None and test is None:
        validation_fraction = test_fraction
    if validation_fraction is not None:
        train, test = split(train, validation_fraction, seed=seed)
    if max_samples is not None:
        train = _first(train, max_samples, name == "folder", seed)
    if label_noise:
        train = _with_noise(train, label_noise, seed)
    return train, test


def _digits(*, data_dir, download):
    """1,797 scanned digits of 8 x 8 pixels (UCI, in scikit-learn), as RGB."""
    del data_dir, download
    digits = sklearn.datasets.load_digits()
    grey = np.round(digits.images * (255 / 16)).astype(np.uint8)
    images = np.repeat(grey[..., None], 3, axis=-1)
    whole = LabelledImages(
        images, digits.target.astype(np.int64), tuple("0123456789")
    )
    return split(whole, 0.2, seed=0)


def _folder(*, data_dir, download):
    """The user's own images: PATH/CLASS/*.jpg or PATH/train/CLASS/*.jpg."""
    del download
    class_names, parts = image_folder.find_images(data_dir)
    train, test = (
        None
        if part is None
        else LabelledImages(
            np.array(part.paths),
            np.array(part.labels, np.int64),
            class_names,
            read=tf.io.read_file,
        )
        for part in parts
    )
    return train, test


def _first(source, size, is_class_by_class, seed):
    if not 1 <= size <= len(source):
        raise ValueError(
            "`max_samples` must be from 1 to the number of training images, "
            f"{len(source)}. Received: max_samples={size}"
        )
    if isinstance(source, StreamedImages):
        return source.part(0, size)
    if not is_class_by_class:
        return source.take(np.arange(size))
    # The i-th of n images of a class, in random order, stands at (i + 1/2) / n.
    places = np.empty(len(source))
    random = np.random.default_rng(seed)
    for label in np.unique(source.labels):
        (members,) = np.nonzero(source.labels == label)
        steps = random.permutation(len(members)) + 0.5
        places[members] = steps / len(members)
    return source.take(np.sort(np.argsort(places, kind="stable")[:size]))


def _with_noise(source, probability, seed):
    if isinstance(source, StreamedImages):
        return dataclasses.replace(
            source, label_noise=probability, noise_seed=seed
        )
    with tf.device("CPU"):
        labels = noisy_labels(
            tf.constant(source.labels),
            tf.range(len(source)),
            num_classes=len(source.class_names),
            probability=probability,
            seed=seed,
        )
    return dataclasses.replace(source, labels=labels.numpy())


DATASETS = {
    "digits": _digits,
    "cifar10": functools.partial(load_tfds, "cifar10"),
    "cifar100": functools.partial(load_tfds, "cifar100"),
    "imagenette": functools.partial(
        load_tfds,
        "imagenette",
        configs=("full-size-v2", "320px-v2", "160px-v2"),
    ),
    "imagenet2012": functools.partial(load_tfds, "imagenet2012"),
    "folder": _folder,
}
