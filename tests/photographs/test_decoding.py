"""Photographs as people have them, read to upright RGB."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from supcon_tf.photographs.decoding import decode_photograph


def test_the_orientation_of_a_phone_is_honoured(tmp_path):
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[0] = 255  # a bright row, on the right once it is turned
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    read = decode_photograph(tmp_path / "a.png")
    assert read.shape == (6, 4, 3)
    assert (read[:, -1] == 255).all() and not read[:, :-1].any()


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("L", 100, (100, 100, 100)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), (255, 255, 255)),
        ("LA", (0, 0), (255, 255, 255)),
        ("1", 1, (255, 255, 255)),
        # 257 * 100 is the 16 bits' 100 of 255.
        ("I;16", 25700, (100, 100, 100)),
    ],
)
def test_every_mode_becomes_rgb_on_white(mode, value, expected, tmp_path):
    Image.new(mode, (3, 2), value).save(tmp_path / "a.png")
    read = decode_photograph(tmp_path / "a.png")
    assert read.dtype == np.uint8
    assert read.tolist() == [[list(expected)] * 3] * 2


def test_a_transparent_palette_stands_on_white(tmp_path):
    image = Image.new("P", (2, 1), 0)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.gif", transparency=0)
    read = decode_photograph(tmp_path / "a.gif")
    assert read.tolist() == [[[255, 255, 255], [40, 50, 60]]]


@pytest.mark.parametrize("suffix", ["jpg", "webp", "bmp", "tiff"])
def test_the_usual_kinds_are_read_from_files_and_bytes(suffix, tmp_path):
    Image.new("RGB", (5, 4), (200, 10, 10)).save(tmp_path / f"a.{suffix}")
    read = decode_photograph(tmp_path / f"a.{suffix}")
    assert read.shape == (4, 5, 3)
    assert abs(read.mean(axis=(0, 1)) - (200, 10, 10)).max() < 12  # JPEG
    contents = (tmp_path / f"a.{suffix}").read_bytes()
    np.testing.assert_array_equal(decode_photograph(contents), read)


def test_cmyk_becomes_rgb():
    file = io.BytesIO()
    Image.new("CMYK", (4, 4), (0, 0, 0, 0)).save(file, "JPEG")
    assert decode_photograph(file.getvalue()).min() >= 250


def test_what_is_no_whole_small_image_is_one_line(tmp_path):
    Image.effect_noise((60, 60), 50).save(tmp_path / "cut.jpg")
    contents = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(contents[: len(contents) // 2])
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "empty.jpg").touch()
    os.mkfifo(tmp_path / "pipe.jpg")
    for name in ("cut", "text", "empty", "pipe", "none"):
        with pytest.raises(ValueError, match=f"{name}.jpg must be a wh") as e:
            decode_photograph(tmp_path / f"{name}.jpg")
        assert "\n" not in str(e.value)
    with pytest.raises(ValueError, match="60 x 60 pixels, more than 3599"):
        decode_photograph(contents, max_pixels=3599)
