"""Writes the .tar.gz of a SavedModel for `hub.load(url)`, and its checksum."""

import gzip
import hashlib
import os
import pathlib
import stat
import tarfile

from supcon_tf.files import written_whole


def write_archive(folder, path):
    """Writes a SavedModel as an archive that TF-Hub loads from a web server.

    The members lie at the root of the archive, in the order of their names. A
    folder comes before what is in it. Owners, dates and permissions are left
    out. The same files therefore give the same bytes, whatever the archive is
    called. With another version of zlib, they still give the same tar inside.
    `path`.sha256 is written beside the archive, for `sha256sum --check`. Both
    files replace earlier ones once they are whole.

    TF-Hub keeps what it has downloaded by its URL and never looks again. An
    archive with other content needs another URL.

    Args:
      folder: folder of the SavedModel, such as `write_saved_model` writes.
      path: path of the archive, which must end in .tar.gz. Its folder must
        exist and must not be within `folder`.

    Returns:
      The SHA-256 of the archive, 64 hexadecimal digits.

    Raises:
      ValueError: if the folder holds no saved_model.pb, if it holds something
        that is neither a plain file nor a folder or whose name starts with a
        dot, or if the path is not as described.

    Example:
      >>> tf.saved_model.save(tf.Module(), "saved_model")
      >>> len(write_archive("saved_model", "module-1.tar.gz"))
      64

    Reference:
      https://www.tensorflow.org/hub/hosting
    """
    folder, path = pathlib.Path(folder), pathlib.Path(path)
    _check_path(path, folder)
    members = _members(folder)
    checksum = path.with_name(f"{path.name}.sha256")
    with written_whole(checksum) as line, written_whole(path) as archive:
        with open(archive, "wb") as raw:
            _write(members, raw)
        with open(archive, "rb") as raw:
            digest = hashlib.file_digest(raw, "sha256").hexdigest()
        line.write_text(f"{digest}  {path.name}\n", encoding="utf-8")
    return digest


def _write(members, raw):
    """Compresses files while reading, so that only a piece is in memory."""
    with (
        # The header of gzip has a date and a name, too. Both are left empty.
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as stream,
        tarfile.open(
            fileobj=stream, mode="w", format=tarfile.PAX_FORMAT
        ) as archive,
    ):
        for name, source in members:
            # A new TarInfo has no owner, the date 0 and the mode 0644.
            info = tarfile.TarInfo(name)
            if source.is_dir():
                # TF-Hub only makes folders that have an entry.
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)
                continue
            with open(source, "rb") as file:
                info.size = os.fstat(file.fileno()).st_size
                archive.addfile(info, file)


def _members(folder):
    """Lists all files and folders of a SavedModel as sorted (name, path)."""
    if not (folder / "saved_model.pb").is_file():
        raise ValueError(
            "`folder` must be a SavedModel, which has a saved_model.pb. "
            f"Received: folder={str(folder)!r}, which has none"
        )
    members, unread = [], [folder]
    while unread:
        for entry in unread.pop().iterdir():
            mode = entry.lstat().st_mode
            if stat.S_ISDIR(mode):
                unread.append(entry)
            elif not stat.S_ISREG(mode):
                _refuse(entry)
            if entry.name.startswith("."):
                _refuse(entry)
            members.append((entry.relative_to(folder).as_posix(), entry))
    return sorted(members)


def _refuse(entry):
    raise ValueError(
        "`folder` must hold plain files and folders alone, without links, and "
        f"no name that starts with a dot. Received: {str(entry)!r}"
    )


def _check_path(path, folder):
    parent = path.parent.resolve()
    if (
        not path.name.endswith(".tar.gz")
        or path.is_dir()
        or not parent.is_dir()
        or parent.is_relative_to(folder.resolve())
    ):
        raise ValueError(
            "`path` must be a file that ends in .tar.gz, in a folder that "
            f"exists and is not within {str(folder)!r}. "
            f"Received: path={str(path)!r}"
        )
