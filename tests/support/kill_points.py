"""What a kill leaves on the disk: the folder before each change to a file.

A process that is killed does nothing any more: no `finally` block clears what
it has written. To raise an exception would not show that. Here the command runs
once, undisturbed, and the folder is copied before each change that Python makes
to it. Each copy is what kill -9 would have left at that moment.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import sys
from typing import NamedTuple


class Kill(NamedTuple):
    """A moment at which the process may be killed.

    Attributes:
      before: what it would have done next, such as "os.rename a.txt".
      files: dict of paths below the folder to bytes, or None for folders.
    """

    before: str
    files: dict


_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_watched = None  # function of an event and its arguments


def kills_of(run, folder):
    """Runs a function, and lists what kills would have left.

    Args:
      run: function without arguments that writes to the folder.
      folder: `pathlib.Path` of everything that it writes. What it reads but
        does not write should lie elsewhere, since it would be copied, too.

    Returns:
      List of `Kill`, one for each state of the folder before the last one.
      Where a file is about to be renamed there is also one in which only half
      of it has reached the disk.
    """
    global _watched
    _install_hook()
    kills = []

    def look(event, *arguments):
        global _watched
        name = _changed_path(event, arguments, folder)
        if name is None:
            return
        here, _watched = _watched, None  # to copy is no change
        before = f"{event} {name}"
        kills.append(Kill(before, _files_in(folder)))
        if event == "os.rename" and kills[-1].files.get(name):
            content = kills[-1].files[name]
            half = kills[-1].files | {name: content[: len(content) // 2]}
            kills.append(Kill(f"half a file, {before}", half))
        _watched = here

    _watched = look
    try:
        run()
    finally:
        _watched = None
    found = []
    for kill in kills:
        if kill.files not in [other.files for other in found]:
            found.append(kill)
    return [kill for kill in found if kill.files != _files_in(folder)]


def leave(kill, folder):
    """Makes the folder what it was at a kill of another process."""
    shutil.rmtree(folder)
    folder.mkdir()
    for name, content in kill.files.items():
        path = folder / name.replace(f".{os.getpid()}.", ".99999999.")
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def kill_at(number, folder):
    """Kills this process at the change of that number to a folder, from 1."""
    global _watched
    _install_hook()
    folder, count = pathlib.Path(folder), 0

    def look(event, *arguments):
        nonlocal count
        if _changed_path(event, arguments, folder) is not None:
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    _watched = look


def _install_hook():
    """An audit hook cannot be removed; this one is there once."""
    if not _install_hook.__dict__:
        _install_hook.is_done = True
        sys.addaudithook(
            lambda event, args: _watched and _watched(event, *args)
        )


def _changed_path(event, arguments, folder):
    """The path below the folder that an event changes, or None."""
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not flags & _WRITING:
            return None
    elif event in _CHANGES:
        path = arguments[0]
    else:
        return None
    if not isinstance(path, (str, bytes, os.PathLike)):
        return None
    path = pathlib.Path(os.fsdecode(path)).absolute()
    return (
        str(path.relative_to(folder)) if path.is_relative_to(folder) else None
    )


def _files_in(folder):
    files = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir():
            files[name] = None
            continue
        # Another thread may have renamed it after it was listed.
        with contextlib.suppress(FileNotFoundError):
            files[name] = path.read_bytes()
    return files
