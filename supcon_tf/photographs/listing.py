"""Lists the photographs of a folder, with their classes if it has any."""

import os
import pathlib
import stat
from typing import NamedTuple

from supcon_tf.data.file_kinds import FORMATS, is_named_as_image

# Folders that hold parts of a data set rather than a class.
_PARTS = ("train", "test", "val", "validation")
_SKIPPED = ("__MACOSX",)


class Listing(NamedTuple):
    """The photographs below a folder.

    Attributes:
      folder: `pathlib.Path`.
      names: paths below the folder, with `/`, in order.
      labels: the class of each, the name of its folder, or `""`.
    """

    folder: pathlib.Path
    names: list[str]
    labels: list[str]

    @property
    def files(self):
        """The `pathlib.Path` of each photograph."""
        return [self.folder / name for name in self.names]


def list_photographs(folder, argument="images"):
    """Lists the image files below a folder.

    The class of a photograph is the first folder on its way, where `train`,
    `test`, `val` and `validation` do not count. Hidden files and folders,
    `__MACOSX`, what is no regular file, and links that lead out of the folder
    are passed over.

    Args:
      folder: path.
      argument: name of the argument, for the message.

    Returns:
      A `Listing`.

    Raises:
      ValueError: if there is no such folder, or no image in it.

    Example:
      >>> pathlib.Path("pets/cat").mkdir(parents=True)
      >>> pathlib.Path("pets/cat/tom.jpg").touch()
      >>> list_photographs("pets").labels
      ['cat']
    """
    root = pathlib.Path(folder or "").expanduser()
    if not folder or not root.is_dir():
        raise ValueError(
            f"`{argument}` must be a folder of photographs. "
            f"Received: {argument}={str(folder or '')!r}"
        )
    names, others = [], 0
    for place, folders, files in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in _SKIPPED
        )
        for name in files:
            path = pathlib.Path(place, name)
            if name.startswith("."):
                continue
            if is_named_as_image(name) and _is_inside(path, root):
                names.append(path.relative_to(root).as_posix())
            else:
                others += 1
    if not names:
        raise ValueError(
            f"`{argument}` must hold photographs ({', '.join(FORMATS)}). "
            f"Received: {argument}={str(folder)!r}, which holds none, and "
            f"{others} other files"
        )
    names.sort()
    return Listing(root, names, [_label(name) for name in names])


def printable(name):
    r"""A file's name as a terminal can show it.

    Args:
      name: string, maybe with bytes that are no UTF-8.

    Returns:
      A string that can be encoded.

    Example:
      >>> printable("r\udce9my.jpg")
      'r\\udce9my.jpg'
    """
    return str(name).encode("utf-8", "backslashreplace").decode()


def _is_inside(path, root):
    """Whether it is a regular file of the folder, or a link to one of it."""
    try:
        if not path.is_symlink():
            return stat.S_ISREG(path.lstat().st_mode)
        target = path.resolve(strict=True)
    except OSError:  # a link to nothing, or in a circle
        return False
    return target.is_file() and target.is_relative_to(root.resolve())


def _label(name):
    """The class of a photograph by its path, or an empty string."""
    folders = name.split("/")[:-1]
    if folders and folders[0] in _PARTS:
        folders = folders[1:]
    return folders[0] if folders else ""
