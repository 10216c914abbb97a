"""The files of an export: where they go, and all of them or none."""

import contextlib
import os
import pathlib
import shutil
import tempfile

from supcon_tf.files import check_folder


def check_output(output, *, archive=False, overwrite=False):
    """Refuses what cannot be written, before anything is.

    Args:
      output: folder for the SavedModel. The other files of an export lie beside
        it, and have its name and a suffix: `.md`, and with an archive `.tar.gz`
        and `.tar.gz.sha256`.
      archive: whether there is to be an archive.
      overwrite: whether an earlier export may be replaced.

    Returns:
      The absolute path of the folder.

    Raises:
      ValueError: if it is no local folder, or one of the files exists and is
        not to be replaced, or the folder holds something else than a
        SavedModel.
    """
    if not output or "://" in str(output):
        raise ValueError(
            "`output` must be a local folder that does not exist yet. "
            f"Received: output={output!r}"
        )
    path = pathlib.Path(output).expanduser().absolute()
    for there in (path, *files_beside(path, archive=archive)):
        if os.path.lexists(there) and not overwrite:
            raise ValueError(
                "`output` must be a folder that does not exist yet, nor the "
                "files beside it, unless --overwrite is given. "
                f"Received: output={str(output)!r}, but {there} does"
            )
    if os.path.lexists(path) and not _is_replaceable(path):
        raise ValueError(
            "`output` must be a SavedModel to be overwritten. Received: "
            f"output={str(output)!r}, which holds something else"
        )
    check_folder(path, "output")
    return path


def files_beside(path, *, archive):
    """The card and the archive of the SavedModel in a folder.

    Args:
      path: `pathlib.Path` of the folder.
      archive: whether there is an archive.

    Returns:
      List of paths.
    """
    suffixes = [".md"]
    if archive:
        suffixes += [".tar.gz", ".tar.gz.sha256"]
    return [path.with_name(path.name + suffix) for suffix in suffixes]


@contextlib.contextmanager
def temporary_folder_beside(path):
    """A folder to work in, on the same disk as what is to be written.

    It goes afterwards, and so do parents made for it that stay empty because
    the work failed.

    Args:
      path: `pathlib.Path` of what is to be written.

    Yields:
      A `pathlib.Path`.
    """
    missing = [p for p in path.parents if not p.exists()]  # innermost first
    with contextlib.ExitStack() as stack:
        for parent in reversed(missing):
            parent.mkdir()
            stack.callback(_remove_if_empty, parent)
        # Its mode is 0700. What is written lies inside it, so that it gets the
        # usual one.
        folder = tempfile.TemporaryDirectory(
            dir=path.parent, prefix=f".{path.name}-"
        )
        yield pathlib.Path(stack.enter_context(folder))


def move_into_place(moves, aside):
    """Renames finished files and folders, all of them or none.

    Args:
      moves: dict of paths to the paths where they belong. What is there is
        replaced.
      aside: folder, on the same disk, for what is replaced. If a renaming
        fails, everything goes back from it.
    """
    aside.mkdir()
    with contextlib.ExitStack() as undo:
        for path, place in moves.items():
            if os.path.lexists(place):
                old = aside / place.name
                os.rename(place, old)
                undo.callback(os.rename, old, place)
            os.rename(path, place)
            undo.callback(_remove, place)
        undo.pop_all()


def _is_replaceable(path):
    """Whether it is a SavedModel and nothing else, or empty."""
    if path.is_symlink() or not path.is_dir():
        return False
    names = {item.name for item in path.iterdir()}
    of_saved_model = {"saved_model.pb", "fingerprint.pb", "variables", "assets"}
    return not names or ("saved_model.pb" in names and names <= of_saved_model)


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _remove_if_empty(folder):
    with contextlib.suppress(OSError):
        folder.rmdir()
