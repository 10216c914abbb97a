"""Chooses the photographs that are held out, though their folder may change.

A run holds images out, and later commands test on them. If photographs come or
go between the two, a split by position would be another one, and images that
were trained on would be among the tested. So a file is held out by the hash of
its name, and a run records the names and contents of those that were.
"""

import dataclasses
import hashlib
import math
import os

import numpy as np
from absl import logging

from supcon_tf.data.equal_files import find_equal_files
from supcon_tf.data.left_out import some_of
from supcon_tf.data.photograph_files import printable


def split_by_name(source, fraction, *, seed, folder):
    """Splits the files of a folder into two parts, class by class.

    A file that is added goes into a part by itself: few others change theirs.
    Copies of a file go into the same part, unless a class has nothing else.

    Args:
      source: `LabelledImages` of files, with two or more images of each class.
      fraction: float in (0, 1), the share of the second part, rounded up, at
        least one image a class and not all of a class.
      seed: integer. The same seed gives the same split.
      folder: path of the folder, which does not count as part of a name.

    Returns:
      Two `LabelledImages`.

    Raises:
      ValueError: if a class has a single image.

    Example:
      >>> files = dataclasses.replace(
      ...     train, images=np.array([f"p/{i}.jpg" for i in range(len(train))])
      ... )
      >>> first, second = split_by_name(files, 0.25, seed=0, folder="p")
      >>> len(first), len(second)
      (146, 54)
    """
    labels, counts = np.unique(source.labels, return_counts=True)
    single = [source.class_names[label] for label in labels[counts == 1]]
    if single:
        raise ValueError(
            "A class must have two or more images to be split: add images, or "
            "remove it. Received: one image of class "
            f"{', '.join(map(repr, single))}"
        )
    is_second = np.zeros(len(source), bool)
    ranks = np.array(
        [
            hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()
            for name in _names(source.images, folder)
        ]
    )
    for copies in _copies(source):
        ranks[copies] = min(ranks[copies])
    for label in labels:
        (members,) = np.nonzero(source.labels == label)
        size = min(math.ceil(fraction * len(members)), len(members) - 1)
        order = members[np.argsort(ranks[members], kind="stable")]
        with_copies = members[ranks[members] <= ranks[order[size - 1]]]
        if len(with_copies) == len(members):
            with_copies = order[:size]
        is_second[with_copies] = True
    return _parts(source, ~is_second, is_second, folder)


def record_of(test):
    """The names and contents of held-out files, for JSON.

    Args:
      test: what `load_dataset` returned as the test images.

    Returns:
      Dict from names below the folder to SHA-256 sums; None if they are the
      data set's own test images.
    """
    folder = getattr(test, "held_out_of", None)
    if folder is None:
        return None
    names = _names(test.images, folder)
    return {
        name: _digest(path)
        for name, path in zip(names, test.images, strict=True)
    }


def with_held_out(source, record, folder):
    """Splits the files of a folder as a run did, and logs what has changed.

    Args:
      source: `LabelledImages` of all files.
      record: what `record_of` returned to the run.
      folder: as in `split_by_name`.

    Returns:
      Two `LabelledImages`: the others, and those that were held out. A file
      that was held out under another name still is. One whose contents have
      changed since is in neither part.

    Raises:
      ValueError: if none of them is there.
    """
    names = _names(source.images, folder)
    contents = set(record.values())
    sums = [_digest(path) for path in source.images]
    is_held_out = np.array([digest in contents for digest in sums])
    is_changed = np.array(
        [
            name in record and digest not in contents
            for name, digest in zip(names, sums, strict=True)
        ]
    )
    gone = sorted(
        name for name, digest in record.items() if digest not in set(sums)
    )
    if not is_held_out.any():
        raise ValueError(
            "The held-out photographs of the run must still be in "
            f"{folder}. Received: none of {len(record)}, such as "
            f"{some_of(sorted(record), 3)}"
        )
    if gone:
        logging.warning(
            "%d of the %d held-out photographs have gone or changed, and are "
            "not tested: %s",
            len(gone),
            len(record),
            some_of(gone, 10),
        )
    return _parts(source, ~is_held_out & ~is_changed, is_held_out, folder)


def _copies(source):
    """The positions of files with equal contents, a list for each content."""
    place = {path: i for i, path in enumerate(source.images)}
    equal = find_equal_files(
        (path, os.stat(path).st_size, label, "train")
        for path, label in zip(source.images, source.labels, strict=True)
        if os.path.exists(path)
    )
    return [[place[path] for path in files.paths] for files in equal]


def _parts(source, is_first, is_second, folder):
    """The two parts by masks `[n]`; the second says what it was held out of."""
    second = source.take(np.flatnonzero(is_second))
    return (
        source.take(np.flatnonzero(is_first)),
        dataclasses.replace(second, held_out_of=str(folder)),
    )


def _names(paths, folder):
    """The names below the folder, with `/`, as JSON can hold them."""
    root = os.path.abspath(os.path.expanduser(folder))
    return [
        printable(
            os.path.relpath(os.path.abspath(path), root).replace(os.sep, "/")
        )
        for path in map(str, paths)
    ]


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
