"""Labelled images by name: the embedded digits, TFDS, folders of one's own."""

import dataclasses
import functools
import math
import os
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import sklearn.datasets
from sklearn.model_selection import train_test_split

from supcon_tf import image_folder


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """Images with integer labels, in memory or as files to decode.

    Attributes:
      images: `[n, H, W, C]` uint8 (0 to 255) or float (0 to 1), or `[n]`
        strings of which `decode` makes images.
      labels: `[n]` integers.
      class_names: names of the classes; label i is `class_names[i]`.
      decode: None, or a function of TensorFlow from one string to an image
        `[H, W, C]`; the images may differ in size.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: Sequence[str]
    decode: Callable | None = None

    def __len__(self):
        return len(self.labels)

    def take(self, indices):
        """The images at `indices`."""
        return dataclasses.replace(
            self,
            images=self.images[indices],
            labels=self.labels[indices],
        )


def load_dataset(
    name,
    *,
    data_dir=None,
    download=False,
    validation_fraction=None,
    seed=0,
):
    """Training and test images of a data set, by its name in `DATASETS`.

    Args:
      name: `"digits"`, embedded in scikit-learn; `"cifar10"`, `"cifar100"`,
        as tensorflow-datasets prepares them; `"folder"`, one's own images as
        `image_folder.find_images` describes.
      data_dir: folder of the images; for tensorflow-datasets, its data_dir
        (default: `$TFDS_DATA_DIR`, or ~/tensorflow_datasets).
      download: whether tensorflow-datasets may download and prepare the data
        set if it is not in data_dir.
      validation_fraction: float in (0, 1): this part of the training images,
        class by class, takes the place of the test images, to choose settings
        without a look at these. None: the data set's own test images; for a
        folder that has none, a fifth of its images.
      seed: integer that decides which part that is.

    Returns:
      `(train, test)`, two `LabelledImages`.

    Raises:
      ValueError: if the name is unknown, or the data is not where it should be.

    Example:
      >>> train, test = load_dataset("digits")
      >>> len(train), len(test), train.images.shape[1:]
      (1437, 360, (8, 8, 3))
    """
    if name not in DATASETS:
        raise ValueError(
            f"`dataset` must be one of {sorted(DATASETS)}. "
            f"Received: dataset={name!r}"
        )
    train, test = DATASETS[name](data_dir=data_dir, download=download)
    if validation_fraction is None:
        if test is not None:
            return train, test
        validation_fraction = 0.2
    return split(train, validation_fraction, seed=seed)


def split(source, fraction, *, seed):
    """Splits labelled images class by class.

    Args:
      source: `LabelledImages`; two or more of each class.
      fraction: float in (0, 1), the share of the second part.
      seed: integer; the same seed gives the same split.

    Returns:
      Two `LabelledImages`.

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
    counts = np.bincount(source.labels, minlength=num_classes)
    if (counts == 1).any():
        raise ValueError(
            "A class must have two or more images to be split. Received: one "
            f"image of class {source.class_names[int(counts.argmin())]!r}"
        )
    first, second = train_test_split(
        np.arange(len(source)),
        test_size=fraction,
        random_state=seed,
        stratify=source.labels,
    )
    return source.take(np.sort(first)), source.take(np.sort(second))


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


def _tfds(name, *, data_dir, download):
    """A data set of tensorflow-datasets, decoded into memory."""
    import tensorflow_datasets as tfds  # seconds, and only needed here

    data_dir = (
        data_dir
        or os.environ.get("TFDS_DATA_DIR")
        or os.path.join("~", "tensorflow_datasets")
    )
    data_dir = pathlib.Path(data_dir).expanduser()
    if not (data_dir / name).is_dir() and not download:
        raise ValueError(
            f"`data_dir` must be a folder in which tensorflow-datasets has "
            f"prepared {name!r}; --download lets it do so. "
            f"Received: data_dir={str(data_dir)!r}"
        )
    builder = tfds.builder(name, data_dir=data_dir)
    if download:
        builder.download_and_prepare()
    elif not pathlib.Path(builder.data_path).is_dir():
        raise ValueError(
            f"`data_dir` must hold {name} {builder.version}; --download "
            f"prepares it. Received: data_dir={str(data_dir)!r}, without "
            f"{builder.data_path}"
        )
    class_names = tuple(builder.info.features["label"].names)
    try:
        train, test = (
            tfds.as_numpy(builder.as_dataset(split=part, batch_size=-1))
            for part in ("train", "test")
        )
    except Exception as error:  # TFDS, TensorFlow and protobuf raise their own
        raise ValueError(
            f"`data_dir` must hold {name} whole. "
            f"Received: data_dir={str(data_dir)!r}, {error}"
        ) from error
    return tuple(
        LabelledImages(
            part["image"], part["label"].astype(np.int64), class_names
        )
        for part in (train, test)
    )


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
            image_folder.decode_file,
        )
        for part in parts
    )
    return train, test


DATASETS = {
    "digits": _digits,
    "cifar10": functools.partial(_tfds, "cifar10"),
    "cifar100": functools.partial(_tfds, "cifar100"),
    "folder": _folder,
}
