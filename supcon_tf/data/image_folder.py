"""Finds, checks and decodes the user's own images in folders."""

import concurrent.futures
import pathlib
from typing import NamedTuple

import tensorflow as tf
from absl import logging

SUFFIXES = (".jpg", ".jpeg", ".png")
# The share of the files that may be unreadable. If more are, something else is
# wrong.
MAX_UNREADABLE = 0.01
_TEST_NAMES = ("test", "val", "validation")


class LabelledFiles(NamedTuple):
    """The paths of images and their labels."""

    paths: list[str]
    labels: list[int]


def find_images(folder):
    """Finds the labelled images of a folder, laid out as for `load_dataset`.

    Returns `(class_names, (train, test))`: a tuple of names and two
    `LabelledFiles`. `test` is None if the folder has no test images.
    """
    path = pathlib.Path(folder or "").expanduser()
    if not folder or not path.is_dir():
        raise ValueError(
            "`data_dir` must be a folder of images, PATH/CLASS/*.jpg|jpeg|png "
            f"or PATH/train/CLASS/... Received: data_dir={folder!r}"
        )
    folder = path
    if (folder / "train").is_dir():
        tests = [folder / n for n in _TEST_NAMES if (folder / n).is_dir()]
        roots = [folder / "train", tests[0] if tests else None]
    else:
        roots = [folder, None]

    class_names = _class_names(roots[0])
    if len(class_names) < 2:
        raise ValueError(
            "`data_dir` must hold two or more classes, a folder of "
            f"{'|'.join(SUFFIXES)} files each. Received: data_dir="
            f"{str(folder)!r} with classes {list(class_names)}"
        )
    parts = []
    for root in roots:
        if root is None:
            parts.append(None)
            continue
        unknown = set(_class_names(root)) - set(class_names)
        if unknown:
            raise ValueError(
                f"The classes of {root} must all have training images. "
                f"Received: {sorted(unknown)}"
            )
        files = _labelled_files(root, class_names)
        if not files.paths:
            raise ValueError(
                f"{root} must hold images, CLASS/*.jpg|jpeg|png. Received: none"
            )
        parts.append(_readable(files, root))
    return class_names, tuple(parts)


def decode_file(path):
    """Decodes a file to `[H, W, 3]` uint8. Grey and RGBA images become RGB."""
    return tf.io.decode_image(
        tf.io.read_file(path), channels=3, expand_animations=False
    )


def _class_names(root):
    return tuple(
        sorted(
            entry.name
            for entry in root.iterdir()
            if entry.is_dir()
            and not entry.name.startswith(".")
            and _image_files(entry)
        )
    )


def _image_files(folder):
    return sorted(
        str(entry)
        for entry in folder.iterdir()
        if entry.suffix.lower() in SUFFIXES and not entry.name.startswith(".")
    )


def _labelled_files(root, class_names):
    paths, labels = [], []
    for label, name in enumerate(class_names):
        files = _image_files(root / name) if (root / name).is_dir() else []
        paths += files
        labels += [label] * len(files)
    return LabelledFiles(paths, labels)


def _readable(files, root):
    """Decodes every file once. It logs and leaves out the unreadable ones."""
    with concurrent.futures.ThreadPoolExecutor() as threads:
        keep = list(threads.map(_is_readable, files.paths))
    bad = [p for p, ok in zip(files.paths, keep, strict=True) if not ok]
    if len(bad) > MAX_UNREADABLE * len(files.paths):
        raise ValueError(
            f"At most {MAX_UNREADABLE:.0%} of the files may be unreadable. "
            f"Received: {len(bad)} of {len(files.paths)} in {root}, the first "
            f"of them {bad[0]}"
        )
    for path in bad:
        logging.warning("Left out, not a readable image: %s", path)
    if bad:
        logging.warning(
            "%d of %d files of %s left out", len(bad), len(files.paths), root
        )
    return LabelledFiles(
        [p for p, ok in zip(files.paths, keep, strict=True) if ok],
        [n for n, ok in zip(files.labels, keep, strict=True) if ok],
    )


def _is_readable(path):
    with tf.device("CPU"):
        try:
            decode_file(path)
        except tf.errors.OpError:
            return False
    return True
