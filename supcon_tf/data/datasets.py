"""Loads labelled images by the name of their data set.

The names are those of the embedded digits, of tensorflow-datasets (TFDS), and
`folder` and `npz`, for the user's own images.
"""

import dataclasses
import functools
import os
from typing import Any

import numpy as np
import sklearn.datasets

from supcon_tf.data import image_folder
from supcon_tf.data.array_file import load_arrays
from supcon_tf.data.held_out import split_by_name, with_held_out
from supcon_tf.data.labelled_images import LabelledImages, noisy_labels
from supcon_tf.data.photograph_files import decode_photograph
from supcon_tf.data.photograph_reader import photograph_reader
from supcon_tf.data.splits import TEST_FRACTION, split
from supcon_tf.data.streamed_images import StreamedImages
from supcon_tf.data.tfds_images import load_tfds
from supcon_tf.errors import nearest
from supcon_tf.frameworks.backends import is_tensorflow, tf

_TFDS = "tfds:"


def load_dataset(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    download: bool = False,
    validation_fraction: float | None = None,
    seed: int = 0,
    max_samples: int | None = None,
    label_noise: float = 0.0,
    test_fraction: float = TEST_FRACTION,
    max_pixels: int | None = None,
    held_out: dict[str, Any] | None = None,
) -> tuple[Any, Any]:
    """Loads the training and test images of a data set by its name.

    The names are the keys of `DATASETS` and those of tensorflow-datasets:

        digits              1,797 digits of 8 x 8 pixels, from scikit-learn
        cifar10, cifar100,  as tensorflow-datasets prepares them
        imagenet2012
        imagenette          the same, in the largest size that is there
        tfds:NAME           any other image classification set of
        tfds:NAME/CONFIG    tensorflow-datasets
        tfds:NAME/CONFIG:VERSION
        npz                 arrays of images and labels in the file `data_dir`,
                            as in `array_file.load_arrays`
        folder              the user's own images in `data_dir`

    A folder has one of two layouts. The folder of a class gives it its name and
    owns the images in its sub-folders. Classes are numbered in alphabetical
    order:

        PATH/CLASS/*
        PATH/train/CLASS/* and PATH/test/CLASS/*

    The folder `test` may also be called `valid`, `validation` or `val`, or be
    absent. JPEG, PNG, GIF (the first frame), BMP, TIFF and WebP files are read,
    whatever their names, upright and with white where they are transparent.
    Everything else is logged by name and reason and left out; `supcon-images
    PATH` prints it before. Every image is decoded once. If more than 1 % are
    damaged, the folder is refused.

    Args:
      name: one of the names above.
      data_dir: path of the folder of the images, or of the file of `npz`. For
        tensorflow-datasets, it is its data_dir, by default `$TFDS_DATA_DIR` or
        ~/tensorflow_datasets.
      download: whether tensorflow-datasets may download and prepare the data
        set if it is not in data_dir.
      validation_fraction: float in (0, 1). This part of the training images is
        held out and takes the place of the test images, so that settings are
        chosen without a look at the test images. None gives the data set's own
        test images or, if it has none, `test_fraction` of its images.
      seed: integer. It decides which images are held out, which labels are
        replaced and which images of a folder `max_samples` keeps.
      max_samples: int N >= 1. It keeps the first N of the remaining training
        images, in the order of their files. The files of a folder lie class by
        class, so there it keeps the same part of each class. None keeps all.
      label_noise: float in [0, 1], the probability that a training label is
        replaced by a class drawn uniformly, which may be the true one. The
        seed and the position of the image decide it once. Test images and
        images held out keep their labels.
      test_fraction: float in (0, 1), the part of the images that is held out
        if the data set has no test images and validation_fraction is None. Of a
        folder it is at least one image a class.
      max_pixels: int >= 1, with `folder`: larger images are left out, and never
        decoded. None takes `PIL.Image.MAX_IMAGE_PIXELS`, 89 million.
      held_out: None or, with `folder`, what `held_out.record_of` returned: the
        files that a run held out, which are the test images again.

    Returns:
      `(train, test)`, two `LabelledImages`, or two `StreamedImages` if a data
      set of tensorflow-datasets takes more than 2 GiB.

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
    if name == "folder":
        load = functools.partial(_folder, max_pixels=max_pixels)
    elif max_pixels is not None:
        raise ValueError(
            "`max_pixels` must be None with another data set than 'folder'. "
            f"Received: max_pixels={max_pixels} with dataset={name!r}"
        )
    elif name.startswith(_TFDS):
        load = functools.partial(load_tfds, name.removeprefix(_TFDS))
    elif name in DATASETS:
        load = DATASETS[name]
    else:
        raise ValueError(
            f"`dataset` must be one of {sorted(DATASETS)}, or tfds:NAME. "
            f"Received: dataset={name!r}{nearest(name, DATASETS)}"
        )
    train, test = load(data_dir=data_dir, download=download)
    if validation_fraction is None and test is None:
        validation_fraction = test_fraction
    if held_out is not None:
        train, test = with_held_out(train, held_out, data_dir)
    elif validation_fraction is not None and name == "folder":
        train, test = split_by_name(
            train, validation_fraction, seed=seed, folder=data_dir
        )
    elif validation_fraction is not None:
        train, test = split(train, validation_fraction, seed=seed)
    if max_samples is not None:
        train = _first(train, max_samples, name == "folder", seed)
    if label_noise:
        train = _with_noise(train, label_noise, seed)
    return train, test


def _digits(*, data_dir, download):
    """Loads 1,797 scanned 8 x 8 digits (UCI, from scikit-learn) as RGB."""
    del download
    if data_dir is not None:
        raise ValueError(
            "`data_dir` must be None with 'digits', which need no folder; "
            "your own images are the data set 'folder'. "
            f"Received: data_dir={str(data_dir)!r}"
        )
    digits = sklearn.datasets.load_digits()
    grey = np.round(digits.images * (255 / 16)).astype(np.uint8)
    images = np.repeat(grey[..., None], 3, axis=-1)
    whole = LabelledImages(
        images, digits.target.astype(np.int64), tuple("0123456789")
    )
    return split(whole, 0.2, seed=0)


def _folder(*, data_dir, download, max_pixels=None):
    """Finds the user's images, PATH/CLASS/* or PATH/train/CLASS/*."""
    del download
    found = image_folder.find_images(data_dir, max_pixels=max_pixels)
    images = (*found.train, *(found.test or ()))

    def decode(path):
        return decode_photograph(os.fsdecode(path), max_pixels=max_pixels)

    way = {"decode": decode}
    if is_tensorflow():
        way = {"read": photograph_reader(images, max_pixels=max_pixels)}
    train, test = (
        None
        if part is None
        else LabelledImages(
            np.array([file.path for file in part]),
            np.array([file.label for file in part], np.int64),
            found.class_names,
            **way,
        )
        for part in (found.train, found.test)
    )
    return train, test


def _first(source, size, is_class_by_class, seed):
    """Keeps `size` images: the first ones, or the same part of each class."""
    if not 1 <= size <= len(source):
        raise ValueError(
            "`max_samples` must be from 1 to the number of training images, "
            f"{len(source)}. Received: max_samples={size}"
        )
    if isinstance(source, StreamedImages):
        return source.part(0, size)
    if not is_class_by_class:
        return source.take(np.arange(size))
    # Image i of the n images of a class, in random order, gets the place
    # (i + 1/2) / n. So the first places hold the same part of every class.
    places = np.empty(len(source))
    random = np.random.default_rng(seed)
    for label in np.unique(source.labels):
        (members,) = np.nonzero(source.labels == label)
        steps = random.permutation(len(members)) + 0.5
        places[members] = steps / len(members)
    return source.take(np.sort(np.argsort(places, kind="stable")[:size]))


def _with_noise(source, probability, seed):
    """Replaces labels at random, as in `noisy_labels`."""
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


# These come with a package, so that a `data_dir` has no effect on them.
WITHOUT_FOLDER = ("digits",)
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
    "npz": load_arrays,
}
