"""Small data sets on disk in the form that tensorflow-datasets gives them."""

import io
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

STEP = 4  # between the grey values of two images: more than JPEG changes them


def write(
    data_dir,
    name,
    splits,
    *,
    version="5.1.0",
    num_classes=5,
    image=None,
    label=None,
    unlabelled=None,
):
    """Writes grey photographs of many sizes, told apart by their brightness.

    Image i of a split has the value STEP * i and the label i % num_classes.

    Args:
      data_dir: folder, as for `tfds.load`.
      name: NAME or NAME/CONFIG.
      splits: name -> number of images in each file.
      version: string.
      num_classes: int.
      image: the feature; by default a JPEG file of any size.
      label: the feature, None for a ClassLabel.
      unlabelled: name of a split whose labels are all -1.
    """
    folder = data_dir / name / version
    folder.mkdir(parents=True)
    features = tfds.features.FeaturesDict(
        {
            "file_name": tfds.features.Text(),
            "image": image or tfds.features.Image(encoding_format="jpeg"),
            "label": label or tfds.features.ClassLabel(num_classes=num_classes),
        }
    )
    template = tfds.core.ShardedFileTemplate(
        data_dir=folder,
        dataset_name=name.split("/")[0],
        filetype_suffix="tfrecord",
    )
    infos = []
    for split, lengths in splits.items():
        number = 0
        for shard, length in enumerate(lengths):
            path = template.replace(split=split).sharded_filepath(
                shard_index=shard, num_shards=len(lengths)
            )
            with tf.io.TFRecordWriter(str(path)) as writer:
                for _ in range(length):
                    example = {
                        "file_name": str(number),
                        "image": _image(number, features["image"]),
                        "label": -1
                        if split == unlabelled
                        else number % num_classes,
                    }
                    encoded = features.encode_example(example)
                    writer.write(features.serialize_example(encoded))
                    number += 1
        infos.append(
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=list(lengths),
                num_bytes=1000 * number,
                filename_template=template.replace(split=split),
            )
        )
    tfds.folder_dataset.write_metadata(
        data_dir=folder,
        features=features,
        split_infos=infos,
        filename_template=template,
    )


def numbers(images):
    """Which images `[..., H, W, C]` in [0, 1] are."""
    middle = images[..., images.shape[-3] // 2, images.shape[-2] // 2, 0]
    return np.round(np.asarray(middle) * 255 / STEP).astype(int)


def _image(number, feature):
    shape, dtype = feature.shape, feature.np_dtype
    if None not in shape:
        return np.full(shape, STEP * number, dtype)
    pixels = np.full((20 + number % 7, 30, 3), STEP * number, np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    file.seek(0)
    return file


def real_data(name):
    """The data_dir of a data set that is really there."""
    beside = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = pathlib.Path(os.environ.get("TFDS_DATA_DIR") or beside)
    if not (folder / name).is_dir():
        pytest.skip(f"tensorflow-datasets has not prepared {name} in {folder}")
    return folder


CORRUPTED = {("fog", 1): 4, ("fog", 3): 6, ("shot_noise", 1): 8}


def prepared_corruptions(data_dir, name="cifar10", split="test", **options):
    """Published corruptions: image i is a grey of STEP * i, its label i % 5."""
    for (kind, severity), count in CORRUPTED.items():
        config = f"{name}_corrupted/{kind}_{severity}"
        write(data_dir, config, {split: [count]}, version="1.0.0", **options)
