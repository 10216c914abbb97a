"""Tells the kind of a file by its first bytes rather than by its name.

Names lie: a HEIC photograph is called .jpg, an error page is saved as .png, and
a camera's raw file starts as a TIFF file does.
"""

import os
import stat

# Formats that are read -> the suffixes of their names.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "WebP": (".webp",),
}
# As many bytes of a file as `kind_of` looks at.
HEAD_BYTES = 512

_IMAGE_SUFFIXES = {s for suffixes in FORMATS.values() for s in suffixes}
# Raw files whose first bytes are those of TIFF. As TIFF files they would be
# read as the thumbnail of 160 x 120 pixels that lies in front.
_RAW_SUFFIXES = {
    ".3fr", ".arw", ".cr2", ".dcr", ".dng", ".erf", ".iiq", ".k25", ".kdc",
    ".mef", ".mos", ".nef", ".nrw", ".pef", ".sr2", ".srf", ".srw",
}  # fmt: skip
_RAW = "camera's raw file"
_VIDEO = "video"
_ARCHIVE = "archive"
_STARTS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"IIRO", _RAW),
    (b"IIRS", _RAW),
    (b"IIU\0", _RAW),
    (b"FUJIFILM", _RAW),
    (b"FOVb", _RAW),
    (b"%PDF", "PDF document"),
    (b"%!PS", "PostScript document"),
    (b"8BPS", "Photoshop document"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "JPEG 2000 image"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL image"),
    (b"\xff\x0a", "JPEG XL image"),
    (b"\0\0\1\0", "icon"),
    (b"\x1a\x45\xdf\xa3", _VIDEO),  # Matroska, WebM
    (b"\0\0\1\xba", _VIDEO),  # MPEG
    (b"\0\0\1\xb3", _VIDEO),
    (b"FLV\1", _VIDEO),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _VIDEO),  # WMV
    (b"OggS", "sound or video"),
    (b"ID3", "sound"),
    (b"PK\3\4", _ARCHIVE),  # office documents, too
    (b"PK\5\6", _ARCHIVE),
    (b"\x1f\x8b", _ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (b"Rar!", _ARCHIVE),
    (b"BZh", _ARCHIVE),
    (b"\xfd7zXZ", _ARCHIVE),
)
# Brands of files that are made of boxes (ISO 14496-12).
_BRANDS = {
    **dict.fromkeys(
        (
            b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm",
            b"hevs", b"mif1", b"msf1",
        ),
        "HEIC photograph",
    ),
    b"avif": "AVIF image",
    b"avis": "AVIF image",
    b"crx ": _RAW,
}  # fmt: skip
_SPECIAL = (
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)
_BMP_HEADER_SIZES = {12, 16, 40, 52, 56, 64, 108, 124}


def kind_of(head, name=""):
    """Recognises the kind of a file.

    Args:
      head: bytes, the first `HEAD_BYTES` of the file, or all of a shorter one.
      name: name of the file. It tells a camera's raw file from a TIFF file.

    Returns:
      A key of `FORMATS`, or what else it is in words, such as "HEIC
      photograph", "video", "text" or "unknown content".

    Example:
      >>> kind_of(b"%PDF-1.7 ..."), kind_of(b"GIF89a...", "photo.jpg")
      ('PDF document', 'GIF')
    """
    if not head:
        return "empty file"
    if head[:4] == b"RIFF":
        forms = {b"WEBP": "WebP", b"AVI ": _VIDEO, b"WAVE": "sound"}
        return forms.get(head[8:12], "unknown content")
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12].lower()) or _second_brand(head)
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _VIDEO  # QuickTime
    if head[:1] == b"\x47" == head[188:189] == head[376:377]:
        return _VIDEO  # MPEG transport stream
    size = int.from_bytes(head[14:18], "little")
    if head[:2] == b"BM" and size in _BMP_HEADER_SIZES:
        return "BMP"
    for start, kind in _STARTS:
        if head.startswith(start):
            is_raw = kind == "TIFF" and (
                suffix_of(name) in _RAW_SUFFIXES or head[8:10] == b"CR"
            )
            return _RAW if is_raw else kind
    return _kind_of_text(head)


def special_kind(mode):
    """Names a file that is not regular by the mode that `os.stat` gives.

    Args:
      mode: int.

    Returns:
      str, such as "pipe".

    Example:
      >>> special_kind(stat.S_IFSOCK)
      'socket'
    """
    return next(
        (name for is_it, name in _SPECIAL if is_it(mode)), "regular file"
    )


def suffix_of(name):
    """The suffix of a file's name, in small letters.

    Args:
      name: str or bytes.

    Returns:
      str, with its point, or "".

    Example:
      >>> suffix_of("IMG_0001.JPG")
      '.jpg'
    """
    return os.path.splitext(os.fsdecode(name))[1].lower()


def is_named_as_image(name):
    """Whether the name of a file has the suffix of a format that is read.

    Args:
      name: str or bytes.

    Returns:
      bool.

    Example:
      >>> is_named_as_image("a/b.JPEG"), is_named_as_image("b.pdf")
      (True, False)
    """
    return suffix_of(name) in _IMAGE_SUFFIXES


def _second_brand(head):
    """The kind by the brands with which a file is compatible."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    for start in range(16, end, 4):
        if head[start : start + 4] in _BRANDS:
            return _BRANDS[head[start : start + 4]]
    return _VIDEO


def _kind_of_text(head):
    """Tells pages, drawings and text from what is unknown."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start and start.startswith((b"<svg", b"<?xml", b"<!")):
        return "SVG drawing"
    if start.startswith((b"<!doctype html", b"<html", b"<head")):
        return "web page"
    try:
        head.decode()
    except UnicodeDecodeError as error:
        # The last letter may be cut in two.
        if error.start < len(head) - 3:
            return "unknown content"
    is_text = not any(
        byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head
    )
    return "text" if is_text else "unknown content"
