"""Photographs of every kind that people have: looked at, checked and decoded.

Pillow reads them. JPEG, PNG, GIF (the first frame), BMP, TIFF (the first page)
and WebP are read, in colour, grey, CMYK, palettes, with transparency and with
16 bits. What is no such file is refused with its name and the reason. The size
is taken from the header, before memory is taken for the pixels.
"""

import contextlib
import io
import math
import os
import re
import stat

import numpy as np
from PIL import Image

from supcon_tf.data.file_kinds import (
    FORMATS,
    HEAD_BYTES,
    is_named_as_image,
    kind_of,
    special_kind,
)
from supcon_tf.data.pillow_images import READERS, header_of, to_rgb, webp_size
from supcon_tf.errors import check_int

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
DAMAGED = "damaged image"
# A file of these kinds is searched byte by byte, or read as a whole, before its
# size in pixels is known. One of 100 million pixels at the highest quality has
# fewer bytes than this.
_READ_WHOLE = ("JPEG", "GIF", "WebP")
_MANY_BYTES = 180_000_000


class PhotographError(ValueError):
    """A file that holds no photograph which can be read.

    Attributes:
      name: str, the name of the file, as it can be printed.
      reason: str, why, in words that many files share.
      detail: str, what besides is known of this one, or "".
      is_damaged: bool. True means that the file should be an image and cannot
        be read; False, that it is something else, or too large.
    """

    def __init__(self, name, reason, detail="", *, is_damaged=False):
        self.name = name
        self.reason = reason
        self.detail = detail
        self.is_damaged = is_damaged
        text = f"{reason} ({detail})" if detail else reason
        super().__init__(
            f"{name} must be a photograph in one of {', '.join(FORMATS)}. "
            f"Received: {text}"
        )


def printable(path):
    """A path as text that can be printed and written as UTF-8.

    Args:
      path: str, bytes or `os.PathLike`.

    Returns:
      str, in which bytes that are not UTF-8, and those that move a terminal,
      are written as hexadecimal numbers.

    Example:
      >>> printable(b"caf" + bytes([233])) == "caf" + chr(92) + "xe9"
      True
    """
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def look_at_photograph(file, *, max_pixels=None):
    """Reads the header of an image file, and none of its pixels.

    Args:
      file: path (str or `os.PathLike`), or the contents of the file (bytes). A
        path in bytes becomes a str by `os.fsdecode`.
      max_pixels: int >= 1, the number of pixels up to which an image is read.
        None takes `PIL.Image.MAX_IMAGE_PIXELS`, 89 million by default.

    Returns:
      A `Header`.

    Raises:
      PhotographError: if the file is none that is read, or has more pixels.
        It is a ValueError.

    Example:
      >>> file = io.BytesIO()
      >>> Image.new("RGB", (40, 30)).save(file, "PNG")
      >>> look_at_photograph(file.getvalue())
      Header(format='PNG', height=30, width=40, is_plain=True)
    """
    with _opened(file, max_pixels) as (image, header):
        del image
        return header


def check_photograph(file, *, max_pixels=None):
    """Reads the header of an image file and checks that it can be decoded.

    A JPEG file is read to its end but decoded at an eighth of its size, which
    takes a quarter of the time.

    Args:
      file: as in `look_at_photograph`.
      max_pixels: as in `look_at_photograph`.

    Returns:
      A `Header`.

    Raises:
      PhotographError: as in `decode_photograph`.

    Example:
      >>> file = io.BytesIO()
      >>> Image.new("RGB", (40, 30)).save(file, "JPEG")
      >>> check_photograph(file.getvalue()[:-100])
      Traceback (most recent call last):
        ...
      supcon_tf.data.photograph_files.PhotographError: The image must be ...
    """
    with _opened(file, max_pixels) as (image, header):
        if header.format == "JPEG":
            eighth = (max(side // 8, 1) for side in image.size)
            image.draft("RGB", tuple(eighth))
            image.load()
        elif header.is_plain:
            image.load()
        else:
            to_rgb(image)
    if header.format == "PNG":
        with _opened(file, max_pixels) as (image, _):
            image.verify()  # the check sums, which `load` leaves out
    return header


def decode_photograph(file, *, max_pixels=None):
    """Decodes an image file as people see it: upright, in RGB.

    The EXIF orientation is honoured. What is transparent becomes white. Grey
    and CMYK become RGB. The upper 8 of 16 bits are kept. Colour profiles are
    not applied.

    Args:
      file: as in `look_at_photograph`.
      max_pixels: as in `look_at_photograph`. It is compared with the header,
        before anything is decoded.

    Returns:
      `[H, W, 3]` uint8.

    Raises:
      PhotographError: if the file is none that is read, has more pixels or is
        damaged. It is a ValueError, one line with the name and the reason.

    Example:
      >>> file = io.BytesIO()
      >>> Image.new("RGBA", (40, 30)).save(file, "PNG")  # all transparent
      >>> pixels = decode_photograph(file.getvalue())
      >>> pixels.shape, int(pixels.min())
      ((30, 40, 3), 255)
    """
    with _opened(file, max_pixels) as (image, _):
        return np.array(to_rgb(image))


def as_bmp(file, *, max_pixels=None):
    """The contents of a BMP file of a photograph, which any decoder reads.

    Args:
      file: as in `look_at_photograph`.
      max_pixels: as in `look_at_photograph`.

    Returns:
      bytes, of the image as `decode_photograph` gives it.

    Raises:
      PhotographError: as in `decode_photograph`.

    Example:
      >>> file = io.BytesIO()
      >>> Image.new("CMYK", (40, 30)).save(file, "JPEG")
      >>> as_bmp(file.getvalue())[:2]
      b'BM'
    """
    with _opened(file, max_pixels) as (image, _):
        contents = io.BytesIO()
        to_rgb(image).save(contents, "BMP")
    return contents.getvalue()


def small_copy(file, side, *, max_pixels=None):
    """The contents of a smaller JPEG file of a photograph.

    It is upright, in RGB with colour at full resolution, of quality 95. A JPEG
    file is decoded at the smallest share of its size (1/2, 1/4, 1/8) that is
    large enough, which takes a third of the time. The views of a copy then
    differ from those of the file by half a grey value on average.

    Args:
      file: as in `look_at_photograph`.
      side: int >= 1, its shorter side, in pixels. A smaller photograph keeps
        its size.
      max_pixels: as in `look_at_photograph`.

    Returns:
      bytes.

    Raises:
      PhotographError: as in `decode_photograph`.

    Example:
      >>> file = io.BytesIO()
      >>> Image.new("RGB", (400, 300)).save(file, "PNG")
      >>> look_at_photograph(small_copy(file.getvalue(), 32))
      Header(format='JPEG', height=32, width=43, is_plain=True)
    """
    with _opened(file, max_pixels) as (image, header):
        share = min(side / min(header.height, header.width), 1)
        size = round(share * header.width), round(share * header.height)
        if header.format == "JPEG":
            least = (math.ceil(share * length) for length in image.size)
            image.draft("RGB", tuple(least))
        small = to_rgb(image).resize(size, Image.Resampling.LANCZOS)
        contents = io.BytesIO()
        small.save(contents, "JPEG", quality=95, subsampling="4:4:4")
    return contents.getvalue()


@contextlib.contextmanager
def _opened(file, max_pixels):
    """Yields Pillow's image, not yet decoded, and its header."""
    if max_pixels is None:
        max_pixels = Image.MAX_IMAGE_PIXELS or np.inf
    else:
        check_int("max_pixels", max_pixels, 1)
    name = "The image" if isinstance(file, bytes) else printable(file)
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(_stream(file, name))
        head = stream.read(HEAD_BYTES)
        kind = kind_of(head, name)
        if kind not in READERS:
            raise _no_photograph(kind, name)
        if kind in _READ_WHOLE:
            _check_bytes(stream.seek(0, os.SEEK_END), max_pixels, name)
        with _telling_what_is_wrong(name):
            if kind == "WebP":  # its reader takes memory for the pixels
                _check_size(*webp_size(head), max_pixels, name)
            stream.seek(0)
            image = stack.enter_context(READERS[kind](stream))
            _check_size(*image.size, max_pixels, name)
            if image.mode in ("I", "F") and kind != "PNG":
                raise PhotographError(
                    name, "grey image of 32 bits, to be saved with 8 or 16"
                )
            yield image, header_of(image, kind)


@contextlib.contextmanager
def _stream(file, name):
    """Opens a regular file, or the bytes of one. A pipe is never waited for."""
    if isinstance(file, bytes):
        yield io.BytesIO(file)
        return
    try:
        descriptor = None
        mode = os.stat(file).st_mode
        if stat.S_ISREG(mode):
            # It may have been replaced since.
            flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
            descriptor = os.open(file, flags | getattr(os, "O_BINARY", 0))
            mode = os.fstat(descriptor).st_mode
    except FileNotFoundError:
        raise PhotographError(name, "no such file") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise PhotographError(
            name,
            "file that cannot be opened",
            why,
            is_damaged=is_named_as_image(name),
        ) from None
    if not stat.S_ISREG(mode):
        if descriptor is not None:
            os.close(descriptor)
        raise PhotographError(name, special_kind(mode))
    with open(descriptor, "rb") as stream:
        yield stream


@contextlib.contextmanager
def _telling_what_is_wrong(name):
    """Turns what Pillow raises of a damaged file into a `PhotographError`."""
    try:
        yield
    except PhotographError:
        raise
    except Image.DecompressionBombError as error:
        # A limit of Pillow's own, where max_pixels is twice as high.
        raise PhotographError(name, "too many pixels", str(error)) from None
    except (Exception, MemoryError) as error:
        # Pillow's readers raise OSError, SyntaxError, struct.error, KeyError,
        # ... wherever they stumble over a file.
        raise PhotographError(
            name,
            DAMAGED,
            " ".join(str(error).split()) or type(error).__name__,
            is_damaged=True,
        ) from error


def _no_photograph(kind, name):
    """The error for a file of a kind that is not read."""
    if kind in ("empty file", "text", "web page", "unknown content"):
        if is_named_as_image(name):
            return PhotographError(name, DAMAGED, kind, is_damaged=True)
    elif kind in ("HEIC photograph", "AVIF image") or "JPEG " in kind:
        return PhotographError(name, f"{kind}, to be converted to JPEG")
    return PhotographError(name, kind)


def _check_bytes(count, max_pixels, name):
    limit = max(_MANY_BYTES, 2 * max_pixels)
    if count > limit:
        raise PhotographError(name, f"more than {limit:,} bytes", f"{count:,}")


def _check_size(width, height, max_pixels, name):
    if width * height > max_pixels:
        raise PhotographError(
            name, f"more than {max_pixels:,} pixels", f"{width} x {height}"
        )
    if not width * height:
        raise ValueError(f"{width} x {height} pixels")
