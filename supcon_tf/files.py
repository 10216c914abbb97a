"""Files that are whole or absent, and folders that one process writes to."""

import contextlib
import errno
import glob
import json
import os
import pathlib
import re
import shutil
import stat

from absl import logging

from supcon_tf.errors import RunStoppedError

try:
    import fcntl
except ImportError:  # Windows: no lock
    fcntl = None


# No text that we write has so many.
_MANY_BYTES = 1 << 28


class FolderInUseError(RunStoppedError):
    """Another process is writing to the folder."""


class NoSpaceError(RunStoppedError, OSError):
    """The disk is full, or the user has reached the quota."""


def check_folder(path, name, files=()):
    """Refuses a path at which no folder can be made or written to.

    Args:
      path: `pathlib.Path` of the folder.
      name: name of the argument, for the message.
      files: names of the files that will be written there.

    Raises:
      ValueError: if the path, or the nearest folder above it that exists, is a
        file or cannot be written to; or if a folder is where a file goes.

    Example:
      >>> check_folder(pathlib.Path("new/run"), "workdir")
    """
    existing = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise ValueError(
            f"`{name}` must be a folder that can be written to. "
            f"Received: {name}={str(path)!r}, where {existing} cannot"
        )
    for file in files:
        if (path / file).is_dir():
            raise ValueError(
                f"`{name}` must have no folder where a file is to be written: "
                f"move it away. Received: the folder {path / file}"
            )


def lasting_path(path):
    """A path that is the same from every folder, for a file of settings.

    Args:
      path: str or `pathlib.Path`. `~` is one's home.

    Returns:
      An absolute `pathlib.Path`. Links stay as they are named, unless `..`
      follows one.

    Example:
      >>> lasting_path("/runs/../photos") == pathlib.Path("/photos").resolve()
      True
    """
    path = pathlib.Path(path).expanduser()
    return path.resolve() if ".." in path.parts else path.absolute()


@contextlib.contextmanager
def written_whole(path):
    """Yields a path to write to, and renames it to `path` when the block ends.

    Anyone who reads `path`, even after a kill or with a full disk, finds either
    what was there before or the whole new file. The folder of `path` must
    exist. The temporary file exists, and is empty, when the block starts. Its
    name keeps the suffix, since Keras looks at it. What a killed process has
    left of it is removed by the next one that writes to `path`.

    Args:
      path: where the finished file belongs.

    Yields:
      A `pathlib.Path` in the same folder.

    Raises:
      NoSpaceError: if there was not enough space for the block or the renaming.

    Example:
      >>> with written_whole("encoder.keras") as path:
      ...     encoder.save(path)
      >>> pathlib.Path("encoder.keras").exists()
      True
    """
    path = pathlib.Path(path)
    stem, suffix = glob.escape(path.stem), glob.escape(path.suffix)
    _remove_abandoned(path.parent.glob(f".{stem}.*.partial{suffix}"))
    aside = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        with _held(aside, create=True):
            yield aside
            with open(aside, "rb") as file:
                os.fsync(file.fileno())
            os.replace(aside, path)
    except Exception as error:
        number = _want_of_space(error)
        if number is None:
            raise
        raise NoSpaceError(
            f"{path} must fit on its disk, which is full; what was there "
            "before is kept, and the same command goes on once there is "
            f"space. Received: {os.strerror(number)}"
        ) from error
    finally:
        aside.unlink(missing_ok=True)


def opened(path):
    """Opens a file of ours to read its bytes, if it is a regular file.

    A pipe would be waited for, and a device never end.

    Args:
      path: str or `pathlib.Path`.

    Returns:
      A binary file, to be closed.

    Raises:
      OSError: if there is no such file, or it is none that is regular.

    Example:
      >>> os.mkfifo("history.csv")
      >>> opened("history.csv")
      Traceback (most recent call last):
        ...
      OSError: [Errno 22] no regular file: 'history.csv'
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return open(descriptor, "rb")


def read_text(path):
    """Reads the text of a file of ours.

    Args:
      path: str or `pathlib.Path`.

    Returns:
      str, with the line ends of the file.

    Raises:
      OSError: as in `opened`, or if it is longer than any of ours.
      ValueError: if it is no UTF-8.

    Example:
      >>> _ = pathlib.Path("config.json").write_text("{}")
      >>> read_text("config.json")
      '{}'
    """
    with opened(path) as file:
        content = file.read(_MANY_BYTES + 1)
    if len(content) > _MANY_BYTES:
        raise OSError(errno.EFBIG, f"over {_MANY_BYTES:,} bytes", str(path))
    return content.decode("utf-8")


def as_json(value):
    r"""A value as indented JSON that people can read, with a line end.

    Args:
      value: what JSON can hold. Names keep their letters, in any script, and
        those of files their bytes that are not UTF-8, as `os.fsdecode` gives
        them: as escapes, which `json.loads` reads.

    Returns:
      A string.

    Example:
      >>> as_json({"class": "Tür"})
      '{\n  "class": "Tür"\n}\n'
    """
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return re.sub(r"[\ud800-\udfff]", lambda x: f"\\u{ord(x[0]):04x}", text)


def write_json(path, value):
    """Writes a JSON file that is whole or absent.

    Args:
      path: path of the file.
      value: as for `as_json`.

    Returns:
      The text of the file.

    Example:
      >>> print(write_json("results.json", {"top_1_accuracy": 0.3}), end="")
      {
        "top_1_accuracy": 0.3
      }
    """
    text = as_json(value)
    with written_whole(path) as aside:
        aside.write_text(text, encoding="utf-8")
    return text


@contextlib.contextmanager
def only_writer(folder, *, wait=False):
    """Keeps other processes from writing to a folder, which it makes if needed.

    The lock ends with the process, even if it is killed. Half-written files
    that a killed process has left are removed.

    Args:
      folder: `pathlib.Path`.
      wait: whether to wait for another process that has the folder.

    Yields:
      None.

    Raises:
      FolderInUseError: if another process has the folder and `wait` is false.

    Example:
      >>> with only_writer(pathlib.Path("run")):
      ...     pathlib.Path("run", "results.txt").touch()
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a") as lock:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if not wait:
                    raise FolderInUseError(
                        f"{folder} must not be in use. Received: another "
                        "process is writing to it"
                    ) from error
                logging.warning("Waits for a process that fills %s", folder)
                fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_abandoned(folder.glob(".*.partial*"))
        yield


@contextlib.contextmanager
def folder_aside(path):
    """Yields a new folder beside `path`, to work in, and removes it at the end.

    It is on the same disk, so that what is in it can be renamed to `path`. A
    process that is killed leaves it behind, see `abandoned_folders`.

    Args:
      path: `pathlib.Path`, whose parent exists.

    Yields:
      `pathlib.Path` of the folder, which others cannot look into.

    Example:
      >>> with folder_aside(pathlib.Path("saved_model")) as folder:
      ...     folder.name
      '.saved_model....partial'
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    aside.mkdir(mode=0o700)
    with _held(aside):
        try:
            yield aside
        finally:
            shutil.rmtree(aside)


@contextlib.contextmanager
def abandoned_folders(path):
    """Yields the folders that `folder_aside(path)` left in killed processes.

    While the block lasts no other process is given them. None is removed.

    Args:
      path: `pathlib.Path`.

    Yields:
      A list of `pathlib.Path`. It is empty where the system has no locks that
      tell whether the process still lives.

    Example:
      >>> with abandoned_folders(pathlib.Path("saved_model")) as folders:
      ...     folders
      []
    """
    with contextlib.ExitStack() as stack:
        name = glob.escape(path.name)
        yield [
            folder
            for folder in path.parent.glob(f".{name}.*.partial")
            if folder.is_dir() and stack.enter_context(_held(folder))
        ]


@contextlib.contextmanager
def _held(path, create=False):
    """Locks a file or folder for this process; yields whether it has the lock.

    The lock ends with the process, even if it is killed.
    """
    if fcntl is None:
        yield False
        return
    flags = os.O_RDWR | os.O_CREAT if create else os.O_RDONLY
    try:
        descriptor = os.open(path, flags, 0o666)
    except FileNotFoundError:
        if create:
            raise
        yield False  # another process has just removed it
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another has it, or the disk knows no locks
            has_lock = False
        else:
            has_lock = True
        yield has_lock
    finally:
        os.close(descriptor)


def _remove_abandoned(partial_files):
    """Removes those of the half-written files that no process writes to."""
    for path in partial_files:
        if path.is_file():
            with _held(path) as is_abandoned:
                if is_abandoned:
                    path.unlink(missing_ok=True)


def _want_of_space(error):
    """The errno for a full disk in an error or its causes, else None."""
    chain = [error]
    for link in chain:
        # When h5py fails to close a file, the number is only in the text.
        numbers = [int(n) for n in re.findall(r"errno = (\d+)", str(link))]
        for number in (*numbers, getattr(link, "errno", None)):
            if number in (errno.ENOSPC, errno.EDQUOT):
                return number
        following = (link.__cause__, link.__context__)
        chain += [e for e in following if e is not None and e not in chain]
    return None
