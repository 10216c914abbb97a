"""Errors on the corrupted images that the authors published, by TFDS."""

import numpy as np
from tqdm import tqdm

from supcon_tf.corruptions import CORRUPTIONS
from supcon_tf.evaluation.encode import encode_function
from supcon_tf.evaluation.robustness import SEVERITIES
from supcon_tf.tfds_images import data_dir_of
from supcon_tf.views import image_batches

# Data sets of which there are such images, with the split that they are.
PUBLISHED = {"cifar10": "test", "imagenet2012": "validation"}
_BATCH_SIZE = 256


def published_corruption_errors(
    classifier,
    name,
    *,
    image_size,
    kinds=tuple(CORRUPTIONS),
    severities=SEVERITIES,
    data_dir=None,
):
    """As `corruption_errors`, on the images that the authors published.

    Args:
      classifier: as for `corruption_errors`.
      name: `"cifar10"` or `"imagenet2012"`, whose configs KIND_SEVERITY
        tensorflow-datasets has prepared. Nothing is downloaded.
      image_size: as for `corruption_errors`.
      kinds: strings; also those of tensorflow-datasets that this package does
        not make, such as "fog".
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
    predict = encode_function(classifier, batch_size=_BATCH_SIZE)
    errors = {kind: () for kind in kinds}
    bar = tqdm(datasets.items(), desc="corrupted", unit="set", disable=None)
    for (kind, _), dataset in bar:
        is_wrong = [
            predict(images).argmax(axis=1) != labels.numpy()
            for images, labels in image_batches(
                dataset, image_size=image_size, batch_size=_BATCH_SIZE
            )
        ]
        errors[kind] += (float(np.mean(np.concatenate(is_wrong))),)
    return errors


def published_corruptions(name, *, kinds, severities, data_dir=None):
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
    for kind in kinds:
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
            dataset = builder.as_dataset(split=PUBLISHED[name])
            datasets[kind, severity] = dataset.map(
                lambda example: (example["image"], example["label"])
            )
    return datasets
