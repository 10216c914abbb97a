import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from supcon_tf.data.photograph_files import (
    PhotographError,
    as_bmp,
    check_photograph,
    decode_photograph,
    look_at_photograph,
    printable,
)

# Six blocks of 8 pixels, so that JPEG keeps them: no turn maps it onto itself.
COLOURS = np.array(
    [
        [[250, 10, 10], [10, 250, 10], [10, 10, 250]],
        [[0, 0, 0], [128, 128, 128], [240, 240, 20]],
    ],
    np.uint8,
)
PIXELS = COLOURS.repeat(16, 0).repeat(16, 1)  # [32, 48, 3]
JPEG = {"quality": 95, "subsampling": 0}  # colour of every pixel
GREY = np.array(Image.fromarray(PIXELS).convert("L"))


def contents(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def oriented(kind, orientation):
    """A file whose EXIF data say how to turn it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": JPEG, "WebP": {"lossless": True}}
    return contents(
        Image.fromarray(PIXELS), kind, exif=exif, **options.get(kind, {})
    )


def png(depth, colour, rows, *chunks, size=None):
    """A PNG file of raw rows; Pillow writes no 16 bits of every kind."""

    def chunk(name, data):
        checked = name + data
        return (
            struct.pack(">I", len(data))
            + checked
            + struct.pack(">I", zlib.crc32(checked))
        )

    height, width = size or rows.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + b"".join(chunk(*extra) for extra in chunks if extra[0] != b"eXIf")
        + chunk(b"IDAT", zlib.compress(raw))
        + b"".join(chunk(*extra) for extra in chunks if extra[0] == b"eXIf")
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WebP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_decoded_upright(kind, orientation):
    # The definitions of EXIF: where row 0 and column 0 are seen.
    upright = {
        1: PIXELS,
        2: PIXELS[:, ::-1],
        3: PIXELS[::-1, ::-1],
        4: PIXELS[::-1],
        5: PIXELS.swapaxes(0, 1),
        6: PIXELS[::-1].swapaxes(0, 1),
        7: PIXELS[::-1, ::-1].swapaxes(0, 1),
        8: PIXELS[:, ::-1].swapaxes(0, 1),
    }[orientation]
    file = oriented(kind, orientation)
    atol = 10 if kind == "JPEG" else 0
    np.testing.assert_allclose(
        decode_photograph(file).astype(int), upright, atol=atol
    )
    header = look_at_photograph(file)
    assert (header.height, header.width) == upright.shape[:2]
    assert header.is_plain == (orientation == 1 and kind in ("JPEG", "PNG"))


def test_an_orientation_behind_the_pixels_of_a_png_file_is_honoured():
    exif = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"
    file = png(8, 2, PIXELS, (b"eXIf", exif))
    assert file.index(b"eXIf") > file.index(b"IDAT")
    np.testing.assert_array_equal(
        decode_photograph(file), PIXELS[::-1].swapaxes(0, 1)
    )
    assert look_at_photograph(file)[1:] == (48, 32, False)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WebP", {"lossless": True}),
        ("GIF", {}),
    ],
)
def test_every_format_without_loss_gives_its_pixels(kind, options):
    file = contents(Image.fromarray(PIXELS), kind, **options)
    np.testing.assert_array_equal(decode_photograph(file), PIXELS)
    assert check_photograph(file)[:3] == (kind, 32, 48)


def test_grey_images_of_1_to_16_bits_become_rgb():
    expected = GREY[..., None].repeat(3, -1)
    wide = GREY.astype(np.uint16) * 256 + 77
    for file in (
        contents(Image.fromarray(GREY), "PNG"),
        contents(Image.fromarray(wide), "PNG"),
        contents(Image.fromarray(wide), "TIFF"),
        png(16, 0, wide.astype(">u2")),
        png(16, 2, (PIXELS * np.uint16(256) + 77).astype(">u2")),
    ):
        decoded = decode_photograph(file)
        is_colour = file[25] == 2 and file[:4] == b"\x89PNG"
        np.testing.assert_array_equal(
            decoded, PIXELS if is_colour else expected
        )
    bits = contents(Image.fromarray(GREY > 99), "PNG")
    np.testing.assert_array_equal(
        decode_photograph(bits)[..., 0], (GREY > 99) * 255
    )


def test_cmyk_becomes_rgb():
    cmyk = Image.fromarray(PIXELS).convert("CMYK")
    for kind, options, atol in (("TIFF", {}, 1), ("JPEG", JPEG, 10)):
        decoded = decode_photograph(contents(cmyk, kind, **options))
        np.testing.assert_allclose(decoded.astype(int), PIXELS, atol=atol)


def test_what_is_transparent_is_white():
    alpha = np.full(PIXELS.shape[:2], 255, np.uint8)
    alpha[:16] = 0
    rgba = Image.fromarray(np.dstack([PIXELS, alpha]))
    expected = PIXELS.copy()
    expected[:16] = 255
    palette = rgba.convert("RGB").quantize(6)
    index = palette.getpixel((0, 20))  # black
    black_is_clear = PIXELS.copy()
    black_is_clear[16:, :16] = 255
    for file, pixels in (
        (contents(rgba, "PNG"), expected),
        (contents(rgba, "TIFF"), expected),
        (contents(rgba, "WebP", lossless=True), expected),
        (contents(palette, "PNG", transparency=index), black_is_clear),
        (contents(palette, "GIF", transparency=index), black_is_clear),
        (
            contents(Image.fromarray(PIXELS), "PNG", transparency=(0, 0, 0)),
            black_is_clear,
        ),
    ):
        np.testing.assert_array_equal(decode_photograph(file), pixels)
        assert not look_at_photograph(file).is_plain
    half = rgba.copy()
    half.putalpha(51)  # a fifth
    np.testing.assert_allclose(
        decode_photograph(contents(half, "PNG")), PIXELS / 5 + 204, atol=1
    )


def test_grey_of_16_bits_may_be_transparent():
    wide = GREY.astype(np.uint16) * 256 + 77
    clear = (b"tRNS", struct.pack(">H", int(wide[0, 0])))
    decoded = decode_photograph(png(16, 0, wide.astype(">u2"), clear))
    expected = np.where(wide == wide[0, 0], 255, GREY)
    np.testing.assert_array_equal(decoded[..., 0], expected)


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    for kind in ("GIF", "WebP", "TIFF"):
        file = contents(
            frames[0], kind, save_all=True, append_images=frames[1:],
            **({"lossless": True} if kind == "WebP" else {}),
        )  # fmt: skip
        np.testing.assert_array_equal(decode_photograph(file), PIXELS)


def test_tensorflow_decodes_plain_files_alike_and_the_bmp_of_others():
    tf = pytest.importorskip("tensorflow")
    for file in (
        *(oriented("JPEG", n) for n in (1, 6)),
        contents(Image.fromarray(GREY), "JPEG"),
        contents(Image.fromarray(PIXELS).convert("CMYK"), "JPEG"),
        contents(Image.fromarray(PIXELS), "WebP"),
        contents(Image.fromarray(PIXELS), "GIF"),
        contents(Image.fromarray(GREY.astype(np.uint16) * 256), "PNG"),
        png(16, 2, (PIXELS * np.uint16(256) + 77).astype(">u2")),
    ):
        plain = file if look_at_photograph(file).is_plain else as_bmp(file)
        image = tf.io.decode_image(plain, channels=3, expand_animations=False)
        # TensorFlow's fast transform of JPEG blocks rounds otherwise.
        np.testing.assert_allclose(
            image.numpy().astype(int), decode_photograph(file), atol=3
        )


def test_the_size_is_checked_before_anything_is_decoded(monkeypatch):
    huge = png(8, 0, np.zeros((1, 1), np.uint8), size=(23_000, 23_000))
    monkeypatch.setattr(Image.Image, "load", None)
    for look in (look_at_photograph, check_photograph, decode_photograph):
        with pytest.raises(PhotographError, match="23000 x 23000") as error:
            look(huge)
        assert error.value.reason == "more than 89,478,485 pixels"
        assert not error.value.is_damaged


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "WebP"])
def test_a_file_that_is_far_too_long_is_not_searched(tmp_path, kind):
    """Pillow searched zeros for minutes, or took twice as much memory."""
    path = tmp_path / "long.jpg"
    path.write_bytes(contents(Image.fromarray(PIXELS), kind)[:100])
    os.truncate(path, 3_000_000_000)  # it takes no room on the disk
    for look in (look_at_photograph, check_photograph, decode_photograph):
        with pytest.raises(PhotographError, match="3,000,000,000") as error:
            look(path)
        assert error.value.reason == "more than 180,000,000 bytes"
        assert not error.value.is_damaged
    with pytest.raises(PhotographError, match="more than 400,000,000 bytes"):
        look_at_photograph(path, max_pixels=200_000_000)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WebP"])
def test_max_pixels_is_the_number_that_is_still_read(kind):
    file = contents(Image.fromarray(PIXELS), kind)
    assert decode_photograph(file, max_pixels=32 * 48).shape == (32, 48, 3)
    with pytest.raises(ValueError, match=r"than 1,535 pixels \(48 x 32\)"):
        look_at_photograph(file, max_pixels=32 * 48 - 1)
    with pytest.raises(ValueError, match="`max_pixels` must be an int >= 1"):
        look_at_photograph(file, max_pixels=0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WebP"])
def test_a_file_that_is_cut_off_is_damaged(kind):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    file = contents(Image.fromarray(noise), kind)
    for length in (len(file) // 2, 40, 20):
        for read in (check_photograph, decode_photograph):
            with pytest.raises(PhotographError, match="damaged") as error:
                read(file[:length])
            assert error.value.is_damaged
            assert "\n" not in str(error.value)


def test_a_wrong_check_sum_of_a_png_file_is_damage():
    file = bytearray(contents(Image.fromarray(PIXELS), "PNG"))
    file[file.index(b"IEND") - 6] ^= 1  # of IDAT
    with pytest.raises(PhotographError, match="damaged image"):
        check_photograph(bytes(file))


def test_an_error_is_one_line_with_the_name_and_the_reason(tmp_path):
    path = tmp_path / "a.jpg"
    for content, words, is_damaged in (
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC photograph, to be conv", False),
        (b"%PDF-1.7", "PDF document", False),
        (b"<html>Not found", r"damaged image \(web page\)", True),
        (b"", r"damaged image \(empty file\)", True),
    ):
        path.write_bytes(content)
        expected = f"a.jpg must be a photograph in .*Received: {words}"
        with pytest.raises(PhotographError, match=expected) as error:
            decode_photograph(path)
        assert error.value.is_damaged == is_damaged
    os.mkfifo(tmp_path / "pipe.jpg")
    for name, reason in (("pipe.jpg", "pipe"), ("none", "no such file")):
        with pytest.raises(PhotographError, match=f"Received: {reason}"):
            decode_photograph(tmp_path / name)
    with pytest.raises(PhotographError, match="Received: device"):
        decode_photograph("/dev/zero")


def test_grey_values_of_unknown_range_are_not_guessed():
    grey = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    for values in (grey, grey.astype(np.int32)):
        file = contents(Image.fromarray(values), "TIFF")
        with pytest.raises(PhotographError, match="grey image of 32") as error:
            look_at_photograph(file)
        assert not error.value.is_damaged


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(*args):  # root may read all files
        raise PermissionError(13, "Permission denied")

    for name in ("a.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.setattr(os, "open", refuse)
    for name, is_damaged in (("a.jpg", True), ("notes.txt", False)):
        with pytest.raises(
            PhotographError, match=r"not be opened \(Permission denied\)$"
        ) as error:
            look_at_photograph(tmp_path / name)
        assert error.value.is_damaged == is_damaged


def test_names_that_are_not_utf_8_are_opened_and_printed(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.png")
    with open(path, "wb") as file:
        file.write(contents(Image.fromarray(PIXELS), "PNG"))
    decoded = decode_photograph(os.fsdecode(path))
    np.testing.assert_array_equal(decoded, PIXELS)
    assert printable(path).endswith("caf\\xe9.png")
    assert printable("a\nb\x1b[2J 猫　é") == "a\\x0ab\\x1b[2J 猫　é"
