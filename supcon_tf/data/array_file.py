"""Labelled images of a NumPy file, FILE.npz: the data set `npz`."""

import pathlib
import zipfile

import numpy as np

from supcon_tf.augmentations.pixels import check_pixels
from supcon_tf.data.labelled_images import LabelledImages


def load_arrays(*, data_dir, download=False):
    """Reads the images and labels of a file that `numpy.savez` wrote.

    Args:
      data_dir: path of the file. It holds `images`, `[n, H, W, 3]`, or
        `[n, H, W, 1]` or `[n, H, W]` of grey ones, uint8 in 0..255 or floats in
        [0, 1]; and `labels`, `[n]` integers from 0 on. It may also hold
        `test_images` and `test_labels` in the same forms, and `class_names`,
        `[C]` strings in the order of the labels.
      download: no effect; a file is there or not.

    Returns:
      `(train, test)`, two `LabelledImages` of RGB images. `test` is None if the
      file has no test images.

    Raises:
      ValueError: if there is no such file, or an array is missing or not as
        described.

    Example:
      >>> np.savez("pets.npz", images=images, labels=labels)
      >>> train, test = load_arrays(data_dir="pets.npz")
      >>> train.images.shape, train.class_names, test
      ((8, 32, 32, 3), ('0', '1', '2', '3'), None)
    """
    del download
    path = pathlib.Path(data_dir or "").expanduser()
    if not path.is_file():
        raise ValueError(
            "`data_dir` must be the path of a .npz file with images and labels "
            f"for the data set 'npz'. Received: data_dir={data_dir!r}"
        )
    arrays = _read(path)
    for name in ("images", "labels"):
        if name not in arrays:
            raise _error(path, name, f"no {name}, only {sorted(arrays)}")
    if ("test_images" in arrays) != ("test_labels" in arrays):
        raise _error(path, "test_images and test_labels", "one of the two")
    names = _class_names(path, arrays)
    train = _part(path, arrays, "images", "labels", names)
    if "test_images" not in arrays:
        return train, None
    return train, _part(path, arrays, "test_images", "test_labels", names)


def _read(path):
    """The arrays of a file by their names; those that it may not have, too."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (
        AttributeError,  # a .npy file is a single array
        EOFError,
        OSError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(
            f"{path} must be a whole .npz file of plain arrays, as numpy.savez "
            f"writes it. Received: {type(error).__name__}: {error}"
        ) from error


def _class_names(path, arrays):
    """The names of the classes: those of the file, or the labels."""
    labels = [arrays[x] for x in ("labels", "test_labels") if x in arrays]
    for name, values in zip(("labels", "test_labels"), labels, strict=False):
        if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
            raise _error(
                path,
                f"{name} as integers [n]",
                f"{values.dtype} of shape {values.shape}",
            )
        if len(values) and values.min() < 0:
            raise _error(path, f"{name} from 0 on", f"{values.min()}")
    count = 1 + max((int(x.max()) for x in labels if len(x)), default=-1)
    if "class_names" not in arrays:
        return tuple(map(str, range(count)))
    names = arrays["class_names"]
    if names.ndim != 1 or len(names) < count:
        raise _error(
            path,
            f"class_names of shape [{count}], one a label",
            f"shape {names.shape}",
        )
    return tuple(map(str, names))


def _part(path, arrays, images_name, labels_name, class_names):
    """The `LabelledImages` of two arrays."""
    images, labels = arrays[images_name], arrays[labels_name]
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        raise _error(
            path,
            f"{images_name} of shape [n, H, W, 3], [n, H, W, 1] or [n, H, W]",
            f"shape {arrays[images_name].shape}",
        )
    if len(images) != len(labels):
        raise _error(
            path,
            f"as many {labels_name} as {images_name}, {len(images)}",
            f"{len(labels)}",
        )
    check_pixels(images)
    if images.shape[-1] == 1:
        images = np.repeat(images, 3, axis=-1)
    return LabelledImages(images, labels.astype(np.int64), class_names)


def _error(path, wanted, received):
    return ValueError(f"{path} must hold {wanted}. Received: {received}")
