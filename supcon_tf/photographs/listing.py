"""Lists the photographs of a folder, with their classes if it has any."""

import pathlib
from typing import NamedTuple

from absl import logging

from supcon_tf.data.file_kinds import FORMATS, is_named_as_image
from supcon_tf.data.folder_files import files_below
from supcon_tf.data.folder_layout import (
    TEST_NAMES,
    TRAIN_NAMES,
    LayoutError,
    class_name,
    lay_out,
)
from supcon_tf.data.left_out import LeftOut, left_out_lines
from supcon_tf.data.photograph_files import PhotographError, look_at_photograph

# Folders that hold parts of a data set rather than a class.
_PARTS = (*TRAIN_NAMES, *TEST_NAMES)


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

    The class of a photograph is the first folder on its way, where those of the
    parts of a data set, such as `train` and `valid`, do not count, unless they
    are a class among others. A file that
    is not named as an image is one if its content is. Hidden files and folders,
    and those of systems, such as `__MACOSX`, are passed over. What else is no
    photograph is logged with the reason, and so are pipes, devices and links
    out of the folder, which are never opened.

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
    files, folders, left_out = files_below(str(root))
    names = []
    for name in files:
        if is_named_as_image(name):  # it is looked at when it is read
            names.append(name)
            continue
        try:
            look_at_photograph(root / name)
        except PhotographError as error:
            reason, detail = error.reason, error.detail
            left_out.append(LeftOut(printable(name), reason, detail))
        else:
            names.append(name)
    if not names:
        raise ValueError(
            f"`{argument}` must hold photographs ({', '.join(FORMATS)}). "
            f"Received: {argument}={str(folder)!r}, which holds none, and "
            f"{len(left_out)} other files"
        )
    if left_out:
        logging.warning(
            "Left out %d of %d files of %s\n%s",
            len(left_out),
            len(left_out) + len(names),
            printable(root),
            "\n".join(left_out_lines(left_out, names=10)),
        )
    classes = _classes_named_as_parts(names, folders)
    return Listing(root, names, [_label(name, classes) for name in names])


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


def _classes_named_as_parts(names, folders):
    """Folders such as `train` that are a class among others, as in a training.

    Photographs lie directly in them.
    """
    try:
        layout = lay_out(names, folders)
    except LayoutError:
        return set()
    if layout.train_folder is not None:
        return set()
    return {name.partition("/")[0] for name in names if name.count("/") == 1}


def _label(name, classes):
    """The class of a photograph by its path, or an empty string."""
    folders = name.split("/")[:-1]
    if folders and folders[0].lower() in _PARTS and folders[0] not in classes:
        folders = folders[1:]
    return class_name(folders[0]) if folders else ""
