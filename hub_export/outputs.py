"""Puts the files of an export into place, all of them or none.

The new files are renamed from a folder beside their places. Before the first
renaming, that folder gets a record of what is moved. If the process is killed,
the next export finds the folder and undoes what was done.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil

from supcon_tf.files import (
    abandoned_folders,
    check_folder,
    folder_aside,
    read_text,
    write_json,
)

_RECORD = "moves.json"
_REPLACED = "replaced"

# A folder for Hugging Face holds Keras' files, the card and the SavedModel.
_HUGGING_FACE = {
    "README.md", "config.json", "metadata.json", "model.weights.h5",
    "assets", "saved_model",
}  # fmt: skip


def check_output(output, *, archive=False, hugging_face=False, overwrite=False):
    """Returns the absolute path of `output`, and refuses one it cannot write.

    `output` is a local folder that is new or, with `overwrite`, a SavedModel.
    The same holds for the files beside it, see `files_beside`. What a killed
    export has put there is no obstacle: the next one removes it.
    """
    if not output or "://" in str(output):
        raise ValueError(
            "`output` must be a local folder that does not exist yet. "
            f"Received: output={output!r}"
        )
    path = pathlib.Path(output).expanduser().absolute()
    _clear_abandoned(path, undo=False)
    unfinished = _unfinished_places(path)
    upload = [upload_folder(path)] if hugging_face else []
    for there in (path, *files_beside(path, archive=archive), *upload):
        if os.path.lexists(there) and not overwrite and there not in unfinished:
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
    they are empty because the work failed. What a killed export to `path` had
    moved is put back first, and its own temporary folder is removed.
    """
    _clear_abandoned(path, undo=True)
    missing = [p for p in path.parents if not p.exists()]  # innermost first
    with contextlib.ExitStack() as stack:
        for parent in reversed(missing):
            parent.mkdir()
            stack.callback(_remove_if_empty, parent)
        yield stack.enter_context(folder_aside(path))


def move_into_place(moves, folder):
    """Renames finished files and folders, all of them or none.

    `moves` is a dict of paths in `folder` to their new paths, in the order of
    the renaming: what others depend on comes last. What was there is moved
    to a folder inside `folder`, and back if a renaming fails.
    """
    (folder / _REPLACED).mkdir()
    record = {
        source.name: {"place": str(place), "sha256": _digest(source)}
        for source, place in moves.items()
    }
    write_json(folder / _RECORD, record)
    try:
        for source, place in moves.items():
            if os.path.lexists(place):
                os.rename(place, folder / _REPLACED / place.name)
            os.rename(source, place)
    except BaseException:
        _undo(folder, record)
        raise
    finally:
        # Without the record what was moved is finished, or put back.
        (folder / _RECORD).unlink()


def _undo(folder, record):
    """Puts back what was moved, as far as it was; it can be done again."""
    for name, move in reversed(record.items()):
        place = pathlib.Path(move["place"])
        if _is_moved(folder, name, move):
            os.rename(place, folder / name)
        old = folder / _REPLACED / place.name
        if os.path.lexists(old) and not os.path.lexists(place):
            os.rename(old, place)


def _is_moved(folder, name, move):
    """Whether the new file is in its place, and nobody has changed it since."""
    place = pathlib.Path(move["place"])
    return (
        not os.path.lexists(folder / name)
        and os.path.lexists(place)
        and _digest(place) == move["sha256"]
    )


def _clear_abandoned(path, *, undo):
    """Removes the folders of killed exports to `path`.

    Those that were killed between two renamings are undone before or, without
    `undo`, left alone.
    """
    with abandoned_folders(path) as folders:
        for folder in folders:
            record = _record_in(folder)
            if record and not undo:
                continue
            _undo(folder, record)
            (folder / _RECORD).unlink(missing_ok=True)
            shutil.rmtree(folder)


def _unfinished_places(path):
    """The paths that killed exports have filled."""
    with abandoned_folders(path) as folders:
        return {
            pathlib.Path(move["place"])
            for folder in folders
            for name, move in _record_in(folder).items()
            if _is_moved(folder, name, move)
        }


def _record_in(folder):
    """The record of `move_into_place`, empty where nothing is to be undone."""
    path = folder / _RECORD
    return json.loads(read_text(path)) if path.exists() else {}


def _digest(path):
    """The SHA-256 of a file, or of the names and contents in a folder."""
    digest = hashlib.sha256()
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        digest.update(f"{file.relative_to(path)}\0".encode())
        if file.is_file():
            with open(file, "rb") as content:
                own = hashlib.file_digest(content, "sha256")
            digest.update(own.digest())
    return digest.hexdigest()


def _is_replaceable(path):
    """Checks that a path is an empty folder, or a SavedModel and no more."""
    if path.is_symlink() or not path.is_dir():
        return False
    names = {item.name for item in path.iterdir()}
    of_saved_model = {"saved_model.pb", "fingerprint.pb", "variables", "assets"}
    return not names or ("saved_model.pb" in names and names <= of_saved_model)


def _remove_if_empty(folder):
    with contextlib.suppress(OSError):
        folder.rmdir()
