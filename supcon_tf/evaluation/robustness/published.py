"""Measures errors on the corrupted images that the authors published."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from supcon_tf import augmentations
from supcon_tf.data.image_batches import image_batches
from supcon_tf.data.tfds_images import data_dir_of
from supcon_tf.evaluation.encode import BATCH_SIZE, encode_function
from supcon_tf.evaluation.robustness.errors import SEVERITIES
from supcon_tf.frameworks.extras import check_extra


class Published(NamedTuple):
    """The published corrupted test images of a data set.

    Attributes:
      split: name of the images' part of the corrupted data set.
      kinds: names of the fifteen kinds of the authors' benchmark, over which
        mCE is the mean. The four other kinds are gaussian_blur, saturate,
        spatter and speckle_noise.
      crop: function of images, None and a size. It cuts clean images as these
        images were cut before they were corrupted, and resizes them.
    """

    split: str
    kinds: tuple[str, ...]
    crop: Callable


def _crop_of_imagenet(images, seeds, image_size):
    """Cuts the centre, with 7/8 of the shorter side, at 224 pixels; resizes.

    The authors' images were resized bicubically without antialiasing, so that
    they are a little sharper.
    """
    images = augmentations.resize_then_crop(images, seeds, 224, padding=32)
    return augmentations.center_crop(images, None, image_size)


_BLURS_AND_WEATHER = ("motion_blur", "zoom_blur", "snow", "frost", "fog")
_NOISES = ("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur")
# The kinds have the names that tensorflow-datasets gives them, which differ
# between the two data sets.
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


def published_wrong_answers(
    classifier,
    name,
    *,
    image_size,
    kinds=None,
    severities=SEVERITIES,
    data_dir=None,
):
    """Finds wrong answers as `wrong_answers` does, on the published images.

    The arguments are those of `wrong_answers` and `published_corruptions`. Of
    what that returns, this has no `CLEAN`.
    """
    datasets = published_corruptions(
        name, kinds=kinds, severities=severities, data_dir=data_dir
    )
    predict = encode_function(
        classifier, batch_size=BATCH_SIZE, may_classify=True
    )
    wrong = {}
    bar = tqdm(datasets.items(), desc="corrupted", unit="set", disable=None)
    for variant, dataset in bar:
        is_wrong = [
            predict(images).argmax(axis=1) != labels.numpy()
            for images, labels in image_batches(
                dataset, image_size=image_size, batch_size=BATCH_SIZE
            )
        ]
        wrong[variant] = np.concatenate(is_wrong)
    return wrong


def published_corruptions(name, *, kinds=None, severities, data_dir=None):
    """Opens the corrupted test images that tensorflow-datasets has prepared.

    Nothing is downloaded.

    Args:
      name: `"cifar10"` or `"imagenet2012"`, whose configs KIND_SEVERITY
        tensorflow-datasets has prepared.
      kinds: strings, also those that this package does not make, such as
        `"fog"`. None, the default, takes the fifteen of `PUBLISHED`.
      severities: ints from 1 to 5.
      data_dir: as in `load_dataset`.

    Returns:
      A dict of (kind, severity) to a `tf.data.Dataset` of uint8 images and
      labels.

    Raises:
      ValueError: if `name` is another, or a config has not been prepared.

    Example:
      >>> published_corruptions(
      ...     "cifar10", kinds=["fog"], severities=[1], data_dir="no_folder"
      ... )
      Traceback (most recent call last):
      ValueError: `data_dir` must be a folder in which tensorflow-datasets has
      prepared 'cifar10_corrupted/fog_1'. Received: data_dir='no_folder'
    """
    check_extra("tensorflow_datasets", f"`dataset` {name}_corrupted")
    # The import takes seconds and is only needed here.
    import tensorflow_datasets as tfds

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
