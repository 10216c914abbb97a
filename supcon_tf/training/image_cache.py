"""Whether a run reads small copies of its photographs, where, how large."""

import dataclasses
import functools
import inspect
import math
import pathlib

from supcon_tf.augmentations import AUGMENTATIONS
from supcon_tf.augmentations.presets import crop_area, evaluation_padding
from supcon_tf.config.settings import named
from supcon_tf.data.image_cache import are_large, with_small_copies
from supcon_tf.data.photograph_files import printable
from supcon_tf.files import check_folder, lasting_path
from supcon_tf.frameworks.backends import check_tensorflow, is_tensorflow

_AUTO = "auto"
# The share of the crops that may be smaller than the view in a copy. A fifth of
# those of a photograph of 500 x 375 pixels, as ImageNet's are, is so.
_ENLARGED = 0.1
# Sides are multiples of two blocks of a JPEG file.
_MULTIPLE = 16


def copies_of(config, workdir, images, *, num_workers=1, least_side=0):
    """How a run is to read its photographs; writes nothing.

    Args:
      config: `PretrainConfig` of the run.
      workdir: `pathlib.Path` of its folder, beside which `auto` has its copies.
      images: what it trains on, as `training_images` returns it.
      num_workers: int, processes of the run. With several, `auto` is none.
      least_side: int, what the shorter side of a copy must at least have.

    Returns:
      None where photographs are read as they are. Otherwise a function of a
      list of sources, which makes the copies that are missing, and returns the
      sources that read copies and a line that says what was done.

    Raises:
      ValueError: if the folder of the copies cannot be written to, or is within
        that of the photographs.
      NeedsTensorFlowError: if a folder is given and the backend is another.
    """
    is_auto = config.image_cache == _AUTO
    if config.dataset != "folder" and not is_auto:
        raise ValueError(
            "`image_cache` must be left out with another data set than "
            f"'folder'. Received: image_cache={config.image_cache!r} with "
            f"dataset={config.dataset!r}"
        )
    if config.dataset != "folder" or config.image_cache is None:
        return None
    if not is_auto:
        check_tensorflow(
            "`image_cache`",
            "leave it out, since photographs are decoded once",
            as_backend=True,
        )
    side = max(side_of_copies(config), least_side)
    if is_auto:
        folder = workdir.absolute().parent / "image_cache"
        if (
            num_workers > 1
            or not is_tensorflow()
            or not are_large(images.images, side, max_pixels=config.max_pixels)
        ):
            return None
    else:
        folder = pathlib.Path(config.image_cache).expanduser()
    photographs = pathlib.Path(config.data_dir).expanduser().resolve()
    if folder.resolve().is_relative_to(photographs):
        if is_auto:
            line = (
                "image cache: none, since it would lie within data_dir; "
                "--image_cache=PATH says where"
            )
            return lambda sources: (sources, line)
        raise ValueError(
            "`image_cache` must be a folder outside of data_dir="
            f"{printable(photographs)!r}, whose folders are classes. "
            f"Received: image_cache={config.image_cache!r}"
        )
    check_folder(folder, "image_cache")
    return functools.partial(
        with_small_copies,
        folder=folder,
        side=side,
        max_bytes=1e9 * config.image_cache_gb,
        max_pixels=config.max_pixels,
    )


def with_cache_of(config, other):
    """A run's config with the photographs and copies of a later command.

    Args:
      config: `PretrainConfig` of the run.
      other: config of the command, whose `image_cache` of `auto` is the run's.

    Returns:
      A `PretrainConfig`.
    """
    where = other.image_cache
    return dataclasses.replace(
        config,
        data_dir=other.data_dir or config.data_dir,
        image_cache=config.image_cache if where == _AUTO else where,
        image_cache_gb=other.image_cache_gb,
    )


def with_absolute_cache(config):
    """The config with the absolute path of the folder that it gives.

    Args:
      config: `PretrainConfig`.

    Returns:
      A `PretrainConfig`, the same without a folder.
    """
    if config.image_cache in (None, _AUTO):
        return config
    path = lasting_path(config.image_cache)
    return dataclasses.replace(config, image_cache=str(path))


def side_of_copies(config):
    """The shorter side of a copy that the views of a config need, in pixels.

    In it, nine in ten of the crops are not enlarged to a view, and it is as
    large as an evaluation resizes a photograph.

    Args:
      config: `PretrainConfig`.

    Returns:
      An int.

    Raises:
      ValueError: if the augmentation is unknown.
    """
    size = config.image_size
    sides = [
        size + evaluation_padding(None, (size, size)),
        _side(config.augmentation, size, config.crop_area),
    ]
    if config.small_views:
        sides.append(
            _side(
                config.augmentation,
                config.small_view_size,
                config.small_crop_area,
            )
        )
    return _MULTIPLE * math.ceil(max(sides) / _MULTIPLE)


def _side(augmentation, size, area):
    """The side of a square whose crops, but for a few, have `size` pixels."""
    augmentation = named(AUGMENTATIONS, "augmentation", augmentation)
    argument = inspect.signature(augmentation).parameters.get("area")
    if argument is None:  # it takes all, or the centre
        return size
    if area is None:
        area = argument.default
    low, high = crop_area(area, (size, size))
    return size / math.sqrt(low + _ENLARGED * (high - low))
