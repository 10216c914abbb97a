"""Files with equal contents: leaks into the test part, or wrong labels."""

import hashlib
from typing import NamedTuple

from supcon_tf.data.left_out import some_of

# Two equal files are one of these, the gravest first.
LEAK = "in the training and in the test part, a leak"
WRONG_LABEL = "in two classes, of which one must be wrong"
COPY = "twice in a class"


class EqualFiles(NamedTuple):
    """Files that have the same contents.

    Attributes:
      paths: tuple of str, two or more.
      kind: `LEAK`, `WRONG_LABEL` or `COPY`, the gravest that is true.
    """

    paths: tuple
    kind: str


def find_equal_files(files):
    """Finds the files whose contents are equal, byte for byte.

    Only files of equal size are read.

    Args:
      files: iterable of `(path, size, label, part)`: the path and the size in
        bytes of a file, the label of its class, and which part it is of.

    Returns:
      List of `EqualFiles`, the gravest first.

    Example:
      >>> for name in ("a", "b"):
      ...     _ = open(name, "wb").write(b"same")
      >>> find_equal_files([("a", 4, 0, "train"), ("b", 4, 1, "train")])
      [EqualFiles(paths=('a', 'b'), kind='in two classes, of which one ...')]
    """
    of_size = {}
    for file in files:
        of_size.setdefault(file[1], []).append(file)
    of_contents = {}
    for same_size in of_size.values():
        if len(same_size) == 1:
            continue
        for file in same_size:
            digest = _digest(file[0])
            if digest is not None:
                of_contents.setdefault(digest, []).append(file)
    found = [
        EqualFiles(tuple(file[0] for file in group), _kind(group))
        for group in of_contents.values()
        if len(group) > 1
    ]
    grave = (LEAK, WRONG_LABEL, COPY)
    return sorted(found, key=lambda equal: (grave.index(equal.kind), equal))


def equal_lines(equal, *, names=None):
    """A line for each kind: how many groups, what they say, and which.

    Args:
      equal: list of `EqualFiles`.
      names: int >= 1, how many groups of each are given; None gives all.

    Returns:
      List of str.

    Example:
      >>> equal_lines([EqualFiles(("cat/1.jpg", "cat/2.jpg"), COPY)])
      ['     1  twice in a class: cat/1.jpg = cat/2.jpg']
    """
    lines = []
    for kind in (LEAK, WRONG_LABEL, COPY):
        groups = [" = ".join(e.paths) for e in equal if e.kind == kind]
        if groups:
            some = some_of(groups, names)
            lines.append(f"{len(groups):6,}  {kind}: {some}")
    return lines


def _kind(group):
    parts = {part for *_, part in group}
    labels = {label for *_, label, _ in group}
    if len(parts) > 1:
        return LEAK
    return WRONG_LABEL if len(labels) > 1 else COPY


def _digest(path):
    """A number for the contents; None if the file has gone meanwhile."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError:
        return None
