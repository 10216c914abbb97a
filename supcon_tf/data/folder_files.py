"""The files below a folder, and what lies there that is not read.

Nothing but regular files inside of the folder is opened: a pipe would wait for
ever, a device never end, and a link may lead to somebody's other photographs.
"""

import os

from supcon_tf.data.file_kinds import is_named_as_image, special_kind
from supcon_tf.data.left_out import LeftOut
from supcon_tf.data.photograph_files import printable

# Systems put these into folders, beside names that begin with a point.
_OF_SYSTEMS = {
    "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir",
    "$recycle.bin", "system volume information",
}  # fmt: skip


def files_below(folder):
    """Lists the regular files below a folder, in all its folders.

    Hidden files and folders, and those that systems make, such as Thumbs.db and
    __MACOSX, are passed over; those that are images by their names, or hold
    such, are left out. A link to a file inside of the folder is such a
    file; any other link is left out and not followed.

    Args:
      folder: str, the path.

    Returns:
      `(files, folders, left_out)`: the sorted paths of the files and of the
      folders below `folder`, with "/" between names and bytes that are not
      UTF-8 as `os.fsdecode` gives them, and a list of `LeftOut`.

    Raises:
      OSError: if the folder itself cannot be opened.

    Example:
      >>> os.makedirs("photos/cat")
      >>> os.mkfifo("photos/cat/pipe")
      >>> files_below("photos")[2]
      [LeftOut(path='cat/pipe', reason='pipe', detail='', is_damaged=False)]
    """
    root = os.path.realpath(folder)
    files, folders, left_out = [], [], []
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        try:
            with os.scandir(os.path.join(root, inside)) as entries:
                entries = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if not inside:
                raise
            left_out.append(
                LeftOut(
                    printable(inside),
                    "folder that cannot be opened",
                    error.strerror,
                )
            )
            continue
        for entry in entries:
            path = f"{inside}/{entry.name}" if inside else entry.name
            if entry.name.startswith(".") or entry.name.lower() in _OF_SYSTEMS:
                left_out += _hidden(entry, path)
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
                folders.append(path)
            elif (reason := _why_not(entry, root)) is None:
                files.append(path)
            else:
                left_out.append(LeftOut(printable(path), reason))
    return sorted(files), sorted(folders), left_out


def _hidden(entry, path):
    """A `LeftOut` in a list for a hidden image or a folder that holds images.

    The list is empty for anything else, such as the ._ files of macOS.
    """
    if not entry.is_dir(follow_symlinks=False):
        is_image = entry.is_file(follow_symlinks=False) and _is_image(path)
        return [LeftOut(printable(path), "hidden file")] if is_image else []
    for inside, _, names in os.walk(entry.path):
        if any(_is_image(os.path.join(inside, name)) for name in names):
            return [LeftOut(f"{printable(path)}/", "hidden folder of images")]
    return []


def _is_image(path):
    """Whether a file is named as an image, and by a person."""
    is_of_macos = os.path.basename(path).startswith("._")
    return is_named_as_image(path) and not is_of_macos


def _why_not(entry, root):
    """Why a directory entry is not opened; None for a regular file."""
    if entry.is_file(follow_symlinks=False):
        return None
    if not entry.is_symlink():
        return special_kind(entry.stat(follow_symlinks=False).st_mode)
    target = os.path.realpath(entry.path)
    if os.path.commonpath([root, target]) != root:
        return "link out of the folder"
    try:
        mode = os.stat(target).st_mode
    except OSError:  # it leads round in a circle, too
        return "link to nothing"
    kind = special_kind(mode)
    return None if kind == "regular file" else f"link to a {kind}"
