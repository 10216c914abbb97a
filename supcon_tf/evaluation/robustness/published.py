"""Errors on the corrupted images that the authors published, by TFDS."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from supcon_tf import augmentations
from supcon_tf.data.tfds_images import data_dir_of
from supcon_tf.data.views import image_batches
from supcon_tf.evaluation.encode import BATCH_SIZE, encode_function
from supcon_tf.evaluation.robustness.errors import SEVERITIES


class Published(NamedTuple):
    """Corrupted test images that there are of a data set.

    Attributes:
      split: which part of the corrupted data set they are.
      kinds: strings, the fifteen of the authors' benchmark, of which mCE is
        the mean. (The four others are gaussian_blur, saturate, spatter and
        speckle_noise.)
      crop: function of images, None and a size, which cuts clean images as
        these were cut before they were corrupted, and resizes them.
    """

    split: str
    kinds: tuple[str, ...]
    crop: Callable


def _crop_of_imagenet(images, seeds, image_size):
    """The centre with 7/8 of the shorter side at 224 pixels, then resized.

    (Theirs were resized bicubically, without antialiasing: a little sharper.)
    """
    images = augmentations.resize_then_crop(images, seeds, 224, padding=32)
    return augmentations.center_crop(images, None, image_size)


_BLURS_AND_WEATHER = ("motion_blur", "zoom_blur", "snow", "frost", "fog")
_NOISES = ("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur")
# The data sets, by the names that the kinds have in tensorflow-datasets.
PUBLISHED = {
    "cifar10": Published(
        "test",
        (
            *_NOISES,
            "frosted_glass_blur",
            *_BLURS_AND_WEATHER,
            "brightness",
            "contrast",
            "elastic",
            "pixelate",
            "jpeg_compression",
        ),
        augmentations.center_crop,
    ),
    "imagenet2012": Published(
        "validation",
        (
            *_NOISES,
            "glass_blur",
            *_BLURS_AND_WEATHER,
            "brightness",
            "contrast",
            "elastic_transform",
            "pixelate",
            "jpeg_compression",
        ),
        _crop_of_imagenet,
    ),
}


def published_corruption_errors(
    classifier,
    name,
    *,
    image_size,
    kinds=None,
    severities=SEVERITIES,
    data_dir=None,
):
    """As `corruption_errors`, on the images that the authors published.

    Args:
      classifier: as for `corruption_errors`.
      name: `"cifar10"` or `"imagenet2012"`, whose configs KIND_SEVERITY
        tensorflow-datasets has prepared. Nothing is downloaded.
      image_size: as for `corruption_errors`.
      kinds: strings, also those that this package does not make, such as
        "fog"; default the fifteen of `PUBLISHED`.
      severities: ints from 1 to 5; default all.
      data_dir: as for `load_dataset`.

    Returns:
      A dict of each kind to a tuple of errors, one a severity.

    Raises:
      ValueError: if a config is not there.

    Example:
      >>> published_corruption_errors(classifier, "cifar10", image_size=32)
    """
    datasets = published_corruptions(
        name, kinds=kinds, severities=severities, data_dir=data_dir
    )
    predict = encode_function(classifier, batch_size=BATCH_SIZE)
    errors = {kind: () for kind, _ in datasets}
    bar = tqdm(datasets.items(), desc="corrupted", unit="set", disable=None)
    for (kind, _), dataset in bar:
        is_wrong = [
            predict(images).argmax(axis=1) != labels.numpy()
            for images, labels in image_batches(
                dataset, image_size=image_size, batch_size=BATCH_SIZE
            )
        ]
        errors[kind] += (float(np.mean(np.concatenate(is_wrong))),)
    return errors


def published_corruptions(name, *, kinds=None, severities, data_dir=None):
    """The corrupted test images that tensorflow-datasets has prepared.

    Args:
      name: as for `published_corruption_errors`, as are the others.
      kinds: see there.
      severities: see there.
      data_dir: see there.

    Returns:
      A dict of (kind, severity) to a `tf.data.Dataset` of uint8 images and
      labels.

    Raises:
      ValueError: if one is not there.
    """
    import tensorflow_datasets as tfds  # seconds, and only needed here

    if name not in PUBLISHED:
        raise ValueError(
            "`dataset` must be one whose corrupted images are published, "
            f"{sorted(PUBLISHED)}. Received: dataset={name!r}"
        )
    data_dir = data_dir_of(data_dir)
    datasets = {}
    for kind in kinds or PUBLISHED[name].kinds:
        for severity in severities:
            config = f"{name}_corrupted/{kind}_{severity}"
            folders = [
                path.parent
                for path in (data_dir / config).glob("*/dataset_info.json")
            ]
            if not folders:
                raise ValueError(
                    "`data_dir` must be a folder in which tensorflow-datasets "
                    f"has prepared {config!r}. "
                    f"Received: data_dir={str(data_dir)!r}"
                )
            newest = max(folders, key=lambda x: tfds.core.Version(x.name))
            builder = tfds.builder_from_directory(newest)
            dataset = builder.as_dataset(split=PUBLISHED[name].split)
            datasets[kind, severity] = dataset.map(
                lambda example: (example["image"], example["label"])
            )
    return datasets
