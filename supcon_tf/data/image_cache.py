"""Small copies of large photographs, kept in a folder for epochs and runs.

A copy is a JPEG file whose name has the SHA-256 of the photograph, the shorter
side of the copy in pixels, and the start of the SHA-256 of these two and of the
copy itself:

    FOLDER/3f/3f2a...-272-9c51....jpg

So a photograph that changes, or that gets another EXIF orientation, has another
copy, and a copy that is damaged or has been renamed is known and made anew.
"""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import os
import pathlib
import re
import sys

import numpy as np
from tqdm import tqdm

from supcon_tf.data.left_out import count_of
from supcon_tf.data.photograph_files import (
    PhotographError,
    look_at_photograph,
    printable,
    small_copy,
)
from supcon_tf.files import only_writer, written_whole
from supcon_tf.frameworks.backends import tf

# Photographs are large if they have as many pixels on average, and as many
# times those of their copies. One of a million is decoded in 10 ms.
_LARGE = 1e6
_TIMES_COPIES = 4
_NAME = re.compile(r"([0-9a-f]{64})-(\d+)-([0-9a-f]{16})\.jpg")


def are_large(paths, side, *, max_pixels=None):
    """Whether photographs are so large that small copies of them pay.

    Args:
      paths: iterable of str.
      side: int >= 1, the shorter side of a copy, in pixels.
      max_pixels: as in `look_at_photograph`.

    Returns:
      bool.

    Raises:
      PhotographError: if one cannot be read.

    Example:
      >>> are_large([], 224)
      False
    """
    with _threads() as threads:
        headers = list(
            threads.map(
                lambda path: look_at_photograph(path, max_pixels=max_pixels),
                paths,
            )
        )
    pixels = sum(h.height * h.width for h in headers)
    shares = [min(side / min(h.height, h.width), 1) for h in headers]
    of_copies = sum(
        h.height * h.width * share**2
        for h, share in zip(headers, shares, strict=True)
    )
    return bool(headers) and (
        pixels >= max(_LARGE * len(headers), _TIMES_COPIES * of_copies)
    )


def with_small_copies(sources, folder, *, side, max_bytes, max_pixels=None):
    """Lets sources read small copies of their photographs; makes missing ones.

    A photograph whose shorter side is no longer than `side` is read as it is.
    So are those whose copies would make the folder larger than `max_bytes`, and
    those that can no longer be read. Nothing in the folder is removed but
    damaged copies. Other processes may read and fill it meanwhile.

    Args:
      sources: list of `LabelledImages` of paths.
      folder: `pathlib.Path`, made if need be.
      side: int >= 1, the shorter side of a copy, in pixels.
      max_bytes: number, the most that all copies in the folder may take.
      max_pixels: as in `look_at_photograph`.

    Returns:
      The list of `LabelledImages` that read the copies, and a line that says
      what was done.

    Raises:
      NoSpaceError: if the disk is full.
      OSError: if the folder cannot be read or written to.

    Example:
      >>> from PIL import Image
      >>> Image.new("RGB", (400, 300)).save("photograph.png")
      >>> source = LabelledImages(
      ...     np.array(["photograph.png"]), np.array([0]), ("cat",),
      ...     read=tf.io.read_file)
      >>> (small,), line = with_small_copies(
      ...     [source], pathlib.Path("copies"), side=64, max_bytes=1e9)
      >>> look_at_photograph(small.images[0]).width
      85
    """
    paths = list(dict.fromkeys(p for s in sources for p in s.images.tolist()))
    with _threads() as threads:
        found = _shown(
            threads.map(lambda p: _content(p, side, max_pixels), paths),
            f"Looking for copies in {printable(folder)}",
            len(paths),
        )
        contents = {
            path: content
            for path, content in zip(paths, found, strict=True)
            if content is not None
        }
    wanted = set(contents.values())
    copies, _ = _copies_in(folder, side, wanted)
    before = len(copies)
    is_full = False
    if wanted - copies.keys():
        with only_writer(folder, wait=True):
            copies, damaged = _copies_in(folder, side, wanted)
            for path in damaged:
                path.unlink()
            before = len(copies)
            missing = {c: p for p, c in contents.items() if c not in copies}
            made, is_full = _fill(folder, missing, side, max_bytes, max_pixels)
            copies |= made
    small = {
        path: str(copies[content])
        for path, content in contents.items()
        if content in copies
    }
    line = _line(
        folder, side, copies, len(copies) - before, len(paths) - len(small)
    )
    if is_full:
        line += f" (it may take {max_bytes / 1e9:g} GB; --image_cache_gb)"
    return [_reading(source, small) for source in sources], line


def _content(path, side, max_pixels):
    """SHA-256 of a photograph that is larger than a copy, else None."""
    try:
        header = look_at_photograph(path, max_pixels=max_pixels)
        if min(header.height, header.width) <= side:
            return None
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (PhotographError, OSError):
        return None


def _copies_in(folder, side, wanted):
    """Which wanted copies there are, a dict of contents to paths; damaged ones.

    One is damaged if it is not what its name says, as after a power failure.
    """
    copies, damaged = {}, []
    named = [
        (path, *match.groups())
        for path in folder.glob("??/*")
        if (match := _NAME.fullmatch(path.name))
    ]
    named = [n for n in named if n[1] in wanted and int(n[2]) == side]
    with _threads() as threads:
        names = threads.map(
            lambda n: _name(n[1], side, n[0].read_bytes()), named
        )
        for (path, content, *_), name in zip(named, names, strict=True):
            if path.name == name:
                copies[content] = path
            else:
                damaged.append(path)
    return copies, damaged


def _fill(folder, missing, side, max_bytes, max_pixels):
    """Makes copies of the photographs `{content: path}`.

    Returns a dict of contents to the paths of their copies, and whether the
    folder is full.
    """
    size = sum(path.stat().st_size for path in folder.glob("??/*"))
    copies = {}

    def made(content):
        return _copy_of(missing[content], content, side, max_pixels)

    with _threads() as threads:
        files = threads.map(made, missing)
        shown = _shown(files, f"Filling {printable(folder)}", len(missing))
        for content, file in zip(missing, shown, strict=True):
            if file is None:
                continue
            size += len(file)
            if size > max_bytes:
                threads.shutdown(cancel_futures=True)
                return copies, True
            path = folder / content[:2] / _name(content, side, file)
            path.parent.mkdir(exist_ok=True)
            with written_whole(path) as aside:
                aside.write_bytes(file)
            copies[content] = path
    return copies, False


def _copy_of(path, content, side, max_pixels):
    """The small copy, bytes, or None if it is not that photograph any more."""
    with contextlib.suppress(PhotographError, OSError):
        whole = pathlib.Path(path).read_bytes()
        if hashlib.sha256(whole).hexdigest() == content:
            return small_copy(whole, side, max_pixels=max_pixels)
    return None


def _name(content, side, file):
    """The name of a copy with the contents `file`."""
    start = f"{content}-{side}-"
    digest = hashlib.sha256(start.encode() + file).hexdigest()
    return f"{start}{digest[:16]}.jpg"


def _reading(source, small):
    """The source with the paths of copies in place of those of files."""
    paths = source.images.tolist()
    read = source.read
    if read is not None and all(path in small for path in paths):
        read = tf.io.read_file
    images = np.array([small.get(path, path) for path in paths])
    return dataclasses.replace(source, images=images, read=read)


def _line(folder, side, copies, new, others):
    """Says what is read, and from where, in a line."""
    megabytes = sum(path.stat().st_size for path in copies.values()) / 1e6
    copied = count_of(len(copies), "copy").replace("copys", "copies")
    line = (
        f"image cache {printable(folder)}: {copied} at {side} pixels, "
        f"{megabytes:,.1f} MB, {new:,} new"
    )
    if others:
        line += f"; {count_of(others, 'photograph')} read as they are"
    return line


def _threads():
    return concurrent.futures.ThreadPoolExecutor(os.cpu_count())


def _shown(values, what, total):
    """The values; a bar shows how many came, if they take long."""
    return tqdm(
        values,
        desc=what,
        total=total,
        unit="file",
        delay=2,
        leave=False,
        file=sys.stdout,
        disable=None,  # where nobody looks
    )
