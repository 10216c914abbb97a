"""Puts the files of an export into place, all of them or none."""

import contextlib
import os
import pathlib
import shutil
import tempfile

from supcon_tf.files import check_folder

# What a folder for Hugging Face holds: Keras' files, the card, the SavedModel.
_HUGGING_FACE = {
    "README.md", "config.json", "metadata.json", "model.weights.h5",
    "assets", "saved_model",
}  # fmt: skip


def check_output(output, *, archive=False, hugging_face=False, overwrite=False):
    """Returns the absolute path of `output`, and refuses one it cannot write.

    `output` is a local folder that is new or, with `overwrite`, a SavedModel.
    The same holds for the files beside it, see `files_beside`.
    """
    if not output or "://" in str(output):
        raise ValueError(
            "`output` must be a local folder that does not exist yet. "
            f"Received: output={output!r}"
        )
    path = pathlib.Path(output).expanduser().absolute()
    upload = [upload_folder(path)] if hugging_face else []
    for there in (path, *files_beside(path, archive=archive), *upload):
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
    for there in filter(os.path.lexists, upload):
        names = {item.name for item in there.iterdir()}
        if there.is_symlink() or not names <= _HUGGING_FACE:
            raise ValueError(
                "`output` must have a folder for Hugging Face beside it, to be "
                f"overwritten. Received: {there}, which holds something else"
            )
    check_folder(path, "output")
    return path


def files_beside(path, *, archive):
    """Lists the paths of the card and the archive of the SavedModel `path`."""
    suffixes = [".md"]
    if archive:
        suffixes += [".tar.gz", ".tar.gz.sha256"]
    return [path.with_name(path.name + suffix) for suffix in suffixes]


def upload_folder(path):
    """The folder for Hugging Face beside the SavedModel `path`."""
    return path.with_name(f"{path.name}-hugging_face")


@contextlib.contextmanager
def temporary_folder_beside(path):
    """Yields a temporary folder on the same disk as `path`, to work in.

    It is removed afterwards. Parents that were made for it are removed, too, if
    they are empty because the work failed.
    """
    missing = [p for p in path.parents if not p.exists()]  # innermost first
    with contextlib.ExitStack() as stack:
        for parent in reversed(missing):
            parent.mkdir()
            stack.callback(_remove_if_empty, parent)
        # The mode of this folder is 0700. The SavedModel is written inside it,
        # and so gets the usual mode.
        folder = tempfile.TemporaryDirectory(
            dir=path.parent, prefix=f".{path.name}-"
        )
        yield pathlib.Path(stack.enter_context(folder))


def move_into_place(moves, aside):
    """Renames finished files and folders, all of them or none.

    `moves` is a dict of paths to their new paths. What was there is moved to
    `aside`, a new folder on the same disk, and back if a renaming fails.
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
    """Checks that a path is an empty folder, or a SavedModel and no more."""
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
