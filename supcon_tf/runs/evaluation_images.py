"""Finds the images that an evaluation measures: known, other and unknown."""

import dataclasses
import pathlib

from supcon_tf.config import PretrainConfig
from supcon_tf.config.settings import read_json
from supcon_tf.data.datasets import WITHOUT_FOLDER
from supcon_tf.data.splits import TEST_FRACTION
from supcon_tf.evaluation.measured_images import parts_of, unknown_images
from supcon_tf.training.image_cache import (
    copies_of,
    side_of_copies,
    with_cache_of,
)
from supcon_tf.training.workdir import read_held_out


def with_own_dataset(config):
    """The config, with the data set that the encoder was trained on if none is.

    Without a run's folder it is the digits, where no data_dir says otherwise.

    Args:
      config: `EvaluateConfig`.

    Returns:
      An `EvaluateConfig` whose `dataset` is not None.

    Raises:
      ValueError: if the data set cannot be told.
    """
    if config.dataset is not None:
        return config
    path = pathlib.Path(config.encoder or "").expanduser() / "config.json"
    if config.encoder and path.is_file():
        run = read_json(PretrainConfig, path, required=("dataset",))
        return dataclasses.replace(
            config,
            dataset=run.dataset,
            data_dir=config.data_dir or run.data_dir,
        )
    if config.data_dir is not None:
        raise ValueError(
            "`dataset` must be given with data_dir, such as --dataset=folder, "
            "for an encoder that is no folder of supcon-pretrain. "
            f"Received: data_dir={config.data_dir!r}"
        )
    return dataclasses.replace(config, dataset="digits")


def image_size_for(config, where):
    """The size that is asked for or, of a run's folder, that of its training.

    An encoder that takes any size would otherwise see another than it knows.

    Args:
      config: `EvaluateConfig`.
      where: path or name of the encoder.

    Returns:
      An int, or None where neither says one.
    """
    path = pathlib.Path(where or "").expanduser() / "config.json"
    if config.image_size is not None or not (where and path.is_file()):
        return config.image_size
    return read_json(PretrainConfig, path, required=("dataset",)).image_size


def copies_for(config, train, sizes, *, has_corruptions):
    """How the evaluation is to read its photographs, as `copies_of` tells.

    Args:
      config: `EvaluateConfig`.
      train: the training images.
      sizes: list of (height, width) that the encoders take.
      has_corruptions: bool, whether images are corrupted, in their own size.

    Returns:
      None, or a function of a list of sources, as of `copies_of`.

    Raises:
      ValueError: as `copies_of`, and if copies would be corrupted.
    """
    is_auto = config.image_cache == "auto"
    if has_corruptions and not is_auto and config.image_cache is not None:
        raise ValueError(
            "`image_cache` must be left out with corruptions, which are of "
            "photographs of their own size. "
            f"Received: image_cache={config.image_cache!r}"
        )
    runs = {}
    for where in (config.encoder, config.baseline):
        path = pathlib.Path(where or "").expanduser() / "config.json"
        if where and path.is_file():
            run = read_json(PretrainConfig, path, required=("dataset",))
            if run.dataset == config.dataset:
                runs[path.parent] = run
    if has_corruptions or (is_auto and not runs):
        return None
    evaluated = PretrainConfig(
        dataset=config.dataset,
        image_size=max(max(size) for size in sizes),
        augmentation="center_crop",
    )
    workdir, run = next(iter(runs.items()), (pathlib.Path(), evaluated))
    return copies_of(
        with_cache_of(run, config),
        workdir,
        train,
        least_side=max(map(side_of_copies, (evaluated, *runs.values()))),
    )


def images_of(config):
    """Loads the images of an evaluation.

    Args:
      config: `EvaluateConfig`.

    Returns:
      The training and test images, a pair; a pair of those of the second data
      set, or None; and a pair of the images of other classes, or None, and the
      names of the classes that were left out of these.

    Raises:
      ValueError: if there are no such data, with the name of the setting.
    """
    parts = _parts_of(config)
    transfer = None
    if config.transfer_dataset is not None:
        try:
            transfer = _parts_of(config, "transfer_")
        except ValueError as error:
            raise ValueError(f"transfer_dataset: {error}") from error
    return parts, transfer, _unknown_of(config, parts[0])


def _unknown_of(config, train):
    """Images of other classes, or None, and known classes that they had."""
    if config.unknown_dataset is None:
        return None, []
    try:
        return unknown_images(
            config.unknown_dataset,
            train.class_names,
            data_dir=_folder_of(config, config.unknown_dataset, "unknown_"),
            download=config.download,
            max_test_images=config.max_test_images,
            seed=config.seed,
        )
    except ValueError as error:
        raise ValueError(f"unknown_dataset: {error}") from error


def _folder_of(config, name, prefix):
    """The folder of a data set: its own or, if it has one, the first one's."""
    own = getattr(config, f"{prefix}data_dir")
    if own is not None or (prefix and name in WITHOUT_FOLDER):
        return own
    return config.data_dir


def _parts_of(config, prefix=""):
    """Training and test images of the data set, or of the transfer one.

    The settings of the second data set are those of the first with a prefix.
    """
    name = getattr(config, f"{prefix}dataset")
    held_out = []
    for where in (config.encoder, config.baseline):
        path = pathlib.Path(where or "").expanduser() / "config.json"
        if where and path.is_file():
            run = read_json(PretrainConfig, path, required=("dataset",))
            if run.dataset == name:
                how = {
                    "seed": run.seed,
                    "test_fraction": run.validation_fraction or TEST_FRACTION,
                    "held_out": read_held_out(path.parent),
                    "max_pixels": run.max_pixels,
                }
                if how not in held_out:
                    held_out.append(how)
    return parts_of(
        name,
        data_dir=_folder_of(config, name, prefix),
        download=config.download,
        max_samples=getattr(config, f"{prefix}max_samples"),
        max_test_images=config.max_test_images,
        held_out=held_out,
        validation_fraction=config.validation_fraction,
        neighbors=config.neighbors,
        seed=config.seed,
    )
