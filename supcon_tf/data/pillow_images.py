"""Pillow's images: what their headers say, and how they become upright RGB."""

import os
from typing import NamedTuple

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

# The class that reads a format. `Image.open` would try all that Pillow has,
# some of which start other programs.
READERS = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
}
# Numbers of tags of TIFF files, and of EXIF data, which are built alike.
_PHOTOMETRIC = 0x0106
_ORIENTATION = 0x0112
# EXIF orientation -> what makes the image upright.
_TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Header(NamedTuple):
    """The facts in the header of an image file.

    Attributes:
      format: a key of `FORMATS`.
      height: int, in pixels, of the image as it is seen.
      width: int, likewise.
      is_plain: bool, whether a decoder that knows nothing of EXIF, CMYK,
        palettes and transparency, such as TensorFlow's, gives the same image.
    """

    format: str
    height: int
    width: int
    is_plain: bool


def header_of(image, kind):
    """Returns the header of a file that Pillow has not decoded yet.

    Args:
      image: `PIL.Image.Image` that one of `READERS` has made.
      kind: a key of `FORMATS`.

    Returns:
      A `Header`.

    Example:
      >>> import io
      >>> file = io.BytesIO()
      >>> Image.new("L", (40, 30)).save(file, "GIF")
      >>> start = file.seek(0)
      >>> header_of(READERS["GIF"](file), "GIF").width
      40
    """
    width, height = image.size
    orientation = _orientation(image)
    if orientation >= 5 and kind != "TIFF":  # whose size is upright already
        width, height = height, width
    is_plain = (
        kind in ("JPEG", "PNG")
        and orientation == 1
        and image.mode in ("L", "RGB")
        and "transparency" not in image.info
    )
    return Header(kind, height, width, is_plain)


def webp_size(head):
    """The size of a WebP image, whose reader takes memory for all pixels.

    Args:
      head: bytes, the first 30 of the file or more.

    Returns:
      (width, height), ints.

    Example:
      >>> import io
      >>> file = io.BytesIO()
      >>> Image.new("L", (40, 30)).save(file, "WebP")
      >>> webp_size(file.getvalue())
      (40, 30)

    Reference:
      RFC 9649.
    """

    def number(start, size):
        return int.from_bytes(head[start : start + size], "little")

    if head[12:16] == b"VP8X":
        return number(24, 3) + 1, number(27, 3) + 1
    if head[12:16] == b"VP8L":
        bits = number(21, 4)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return number(26, 2) & 0x3FFF, number(28, 2) & 0x3FFF


def to_rgb(image):
    """Decodes an image: upright, with 8 bits, on white, in RGB.

    Args:
      image: `PIL.Image.Image` that one of `READERS` has made.

    Returns:
      A `PIL.Image.Image` of mode RGB.

    Example:
      >>> import io
      >>> file = io.BytesIO()
      >>> Image.new("CMYK", (40, 30)).save(file, "TIFF")
      >>> start = file.seek(0)
      >>> to_rgb(READERS["TIFF"](file)).mode
      'RGB'
    """
    # Pillow turns a TIFF image when it decodes it.
    turn = None if image.format == "TIFF" else _TURNS[_orientation(image)]
    image.load()
    if image.mode.startswith("I;16"):
        image = _of_16_bits(image)
    elif image.mode == "I" and image.format == "PNG":  # 16 bits in Pillow 10
        image = _of_16_bits(image)
    if turn is not None:
        image = image.transpose(turn)
    has_alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    if not has_alpha and "transparency" not in image.info:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _orientation(image):
    """The EXIF orientation, from 1 to 8, of an image not yet decoded."""
    try:
        if image.format == "PNG":
            exif = _png_exif(image.fp)
        else:
            exif = image.getexif()
        orientation = exif.get(_ORIENTATION, 1)
    except Exception:  # of a damaged block, which decoders pass over
        return 1
    return orientation if orientation in _TURNS else 1


def _png_exif(stream):
    """The EXIF data of a PNG file, before or behind its pixels.

    Pillow finds those behind the pixels only after it has decoded them.
    """
    exif = Image.Exif()
    place = stream.tell()
    stream.seek(8)
    while len(start := stream.read(8)) == 8:
        size = int.from_bytes(start[:4], "big")
        if start[4:] == b"eXIf":
            exif.load(stream.read(size))
            break
        stream.seek(size + 4, os.SEEK_CUR)  # the check sum, too
    stream.seek(place)
    return exif


def _of_16_bits(image):
    """The upper 8 bits of grey values of 16, on white."""
    values = np.asarray(image)
    grey = (values >> 8).astype(np.uint8)
    if getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0:
        grey = 255 - grey  # 0 is white
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[values == clear] = 255
    return Image.fromarray(grey)
