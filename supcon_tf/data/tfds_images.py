"""Loads labelled images that tensorflow-datasets (TFDS) has prepared."""

import fnmatch
import json
import math
import os
import pathlib
import re

import numpy as np
from absl import logging

from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.pipelines import parallel_calls
from supcon_tf.data.streamed_images import StreamedImages
from supcon_tf.frameworks.backends import check_tensorflow, tf
from supcon_tf.frameworks.extras import check_extra

# A larger data set is read from its files as it is needed. A data set in memory
# takes twice its size, since TensorFlow makes a copy.
MAX_BYTES_IN_MEMORY = 2 * 2**30
_TEST_SPLITS = ("test", "validation", "val")


def load_tfds(name, *, data_dir, download, configs=()):
    """Loads the training and test images of a data set of tensorflow-datasets.

    Images of one size are decoded into memory if they take at most 2 GiB.
    Others stay encoded, in memory if the files take at most 2 GiB and otherwise
    in their TFRecord files. The order is that of the files. Grey images become
    RGB.

    Args:
      name: `NAME`, `NAME/CONFIG`, `NAME:VERSION` or `NAME/CONFIG:VERSION` of a
        data set with the features `image` and `label`. A version may have
        wildcards, such as `5.*.*`, and the newest one there is taken.
      data_dir: as in `data_dir_of`.
      download: whether the data set may be downloaded and prepared if it is not
        there.
      configs: names of configs for a bare NAME, the best first. The first of
        those that are there is taken, and the first of all is downloaded. By
        default, it is the only config that is there or the default config of
        tensorflow-datasets.

    Returns:
      `(train, test)`, both `LabelledImages` or both `StreamedImages`. `test` is
      the first split of test, validation and val that has labels (validation
      for ImageNet), or None if there is none.

    Raises:
      ValueError: if the data set is not there, not whole or not of labelled
        images, or tensorflow-datasets is not installed.
    """
    check_tensorflow(
        f"The data set {name!r}",
        "give its images as a file, dataset='npz', or as a 'folder'",
    )
    check_extra("tensorflow_datasets", f"`dataset` {name}")
    # Imported here, since it takes seconds and only this function needs it.
    import tensorflow_datasets as tfds

    if not re.fullmatch(r"\w+(/[^/:]+)?(:[\w.*]+)?", name):
        raise ValueError(
            "`dataset` must be tfds:NAME, with /CONFIG and :VERSION if need "
            f"be. Received: dataset={'tfds:' + name!r}"
        )
    data_dir = data_dir_of(data_dir)
    if download:
        if configs:
            name = f"{name}/{configs[0]}"
        builder = _downloaded(tfds, name, data_dir)
    else:
        folder = _prepared(name, data_dir, configs)
        if folder is None:
            known = tfds.list_builders(with_community_datasets=False)
            hint = "--download lets it do so"
            if re.split("[/:]", name)[0] not in known:
                hint = "none that it knows has that name"
            raise ValueError(
                "`data_dir` must be a folder in which tensorflow-datasets has "
                f"prepared {name!r}; {hint}. "
                f"Received: data_dir={str(data_dir)!r}"
            )
        builder = tfds.builder_from_directory(folder)
    features = _checked_features(tfds, builder.info)
    try:
        return _train_and_test(tfds, builder.info, features)
    except tf.errors.OpError as error:
        raise ValueError(
            f"`data_dir` must hold {name} whole. "
            f"Received: data_dir={str(data_dir)!r}, {_one_line(error)}"
        ) from error


def data_dir_of(data_dir):
    """The folder in which tensorflow-datasets keeps its data sets.

    Args:
      data_dir: path of the folder. None stands for `$TFDS_DATA_DIR` or, without
        it, ~/tensorflow_datasets.

    Returns:
      The `pathlib.Path` of the folder, with `~` expanded.

    Example:
      >>> data_dir_of("data_sets").name
      'data_sets'
    """
    return pathlib.Path(
        data_dir
        or os.environ.get("TFDS_DATA_DIR")
        or os.path.join("~", "tensorflow_datasets")
    ).expanduser()


def _downloaded(tfds, name, data_dir):
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except ValueError as error:
        raise ValueError(
            "`dataset` must be one that tensorflow-datasets knows. "
            f"Received: dataset={name!r}, {_one_line(error)}"
        ) from error
    try:
        builder.download_and_prepare()
    except AssertionError as error:  # a data set of files it may not fetch
        raise ValueError(
            "`dataset` must be one whose files tensorflow-datasets may fetch. "
            f"Received: dataset={name!r}, {_one_line(error)}"
        ) from error
    return builder


def _prepared(name, data_dir, configs):
    """The folder of the newest version of a data set; None if there is none."""
    name, _, version = name.partition(":")
    name, _, config = name.partition("/")
    root = data_dir / name
    folders = [root / config] if config else [root, *sorted(root.glob("*"))]
    newest = {}
    for folder in folders:
        versions = [
            path.parent
            for path in folder.glob("*/dataset_info.json")
            if fnmatch.fnmatch(path.parent.name, version or "*")
        ]
        if versions:
            newest[folder.name] = max(versions, key=_version_numbers)
    if config or root.name in newest or not newest:
        return newest.get(config or root.name)
    for number, config in enumerate(configs):
        if config in newest:
            if number:
                logging.warning(
                    "%s/%s is not in %s: %s is taken",
                    name, configs[0], data_dir, config,
                )  # fmt: skip
            return newest[config]
    if len(newest) == 1:
        return next(iter(newest.values()))
    metadata = root / ".config" / "metadata.json"
    if metadata.is_file():
        default = json.loads(metadata.read_text())["default_config_name"]
        if default in newest:
            return newest[default]
    raise ValueError(
        f"`dataset` must be one of {[f'{name}/{c}' for c in sorted(newest)]}, "
        f"which are in data_dir. Received: dataset={name!r}"
    )


def _version_numbers(folder):
    return [int(number) for number in re.findall(r"\d+", folder.name)]


def _checked_features(tfds, info):
    """Checks that the data set is usable and returns its two features."""
    features = info.features
    features = (
        features if isinstance(features, tfds.features.FeaturesDict) else {}
    )
    image = features["image"] if "image" in features else None
    label = features["label"] if "label" in features else None
    if not (
        isinstance(image, tfds.features.Image)
        and image.np_dtype == np.uint8
        and label is not None
        and label.shape == ()
        and np.issubdtype(label.np_dtype, np.integer)
    ):
        raise ValueError(
            "`dataset` must have the features `image`, uint8, and `label`, an "
            f"integer. Received: dataset={info.full_name!r}, with "
            f"{_one_line(info.features)}"
        )
    if "train" not in info.splits:
        raise ValueError(
            "`dataset` must have the split 'train'. "
            f"Received: dataset={info.full_name!r}, with {sorted(info.splits)}"
        )
    if (info.file_format or tfds.core.FileFormat.TFRECORD).value != "tfrecord":
        raise ValueError(
            "`dataset` must be prepared as tfrecord. "
            f"Received: dataset={info.full_name!r}, as {info.file_format.value}"
        )
    return tfds.features.FeaturesDict({"image": image, "label": label})


def _train_and_test(tfds, info, features):
    """Reads `(train, test)`, decoded, encoded or as streams by their size."""

    def parse(record):
        example = features.deserialize_example(
            record, decoders={"image": tfds.decode.SkipDecoding()}
        )
        return example["image"], example["label"]

    def decode(record, number):
        example = features.deserialize_example(record)
        image = example["image"]
        if image.shape[2] == 1:
            image = tf.repeat(image, 3, axis=2)
        return image[..., :3], example["label"]

    shape = features["image"].shape
    class_names = tuple(getattr(features["label"], "names", None) or ())
    parts = [_stream(info, "train", parse, class_names)]
    for split in _TEST_SPLITS:
        if split in info.splits and info.splits[split].num_examples:
            part = _stream(info, split, parse, class_names)
            if _has_labels(part):
                parts.append(part)
                break
    num_images = sum(len(part) for part in parts)
    if (
        None not in shape
        and num_images * math.prod(shape) <= MAX_BYTES_IN_MEMORY
    ):
        parts = [_in_memory(part, decode, None) for part in parts]
    elif (
        sum(info.splits[name].num_bytes for name in info.splits)
        <= MAX_BYTES_IN_MEMORY
    ):
        parts = [_in_memory(part, part.load, tf.identity) for part in parts]
    elif not class_names:
        raise ValueError(
            "`dataset` must have a ClassLabel as `label` where it is too large "
            f"for memory. Received: dataset={info.full_name!r}, with "
            f"{_one_line(features['label'])}"
        )
    return parts[0], parts[1] if len(parts) == 2 else None


def _stream(info, split, parse, class_names):
    """One split as `StreamedImages`, once all its files are found."""
    split = info.splits[split]
    files = [str(path) for path in split.filepaths]
    for file in files:
        if not tf.io.gfile.exists(file):
            raise ValueError(
                f"`data_dir` must hold {info.full_name} whole. "
                f"Received: one without {file}"
            )
    return StreamedImages(files, tuple(split.shard_lengths), parse, class_names)


def _has_labels(stream):
    """Whether the first label is a class. TFDS writes -1 for no label."""
    record, number = next(iter(stream.part(0, 1).in_order()))
    return stream.load(record, number)[1] >= 0


def _in_memory(stream, load, read):
    """Reads a stream into `LabelledImages`; `load` makes `(image, label)`."""
    dataset = stream.in_order().map(load, num_parallel_calls=parallel_calls())
    images, labels = (
        np.concatenate(part)
        for part in zip(*dataset.batch(256).as_numpy_iterator(), strict=True)
    )
    class_names = stream.class_names
    if not class_names:
        class_names = tuple(str(i) for i in range(labels.max() + 1))
    return LabelledImages(
        images, labels.astype(np.int64), class_names, read=read
    )


def _one_line(value):
    return " ".join(str(value).split())
