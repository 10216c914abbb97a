"""EXIF orientation and transparency, read in a graph as Pillow reads them."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from hub_export.upright import exif_orientation, on_white, upright


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_pillow_turns_it(orientation, order):
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F] = "a maker"
    exif[0x0112] = orientation
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", exif=exif)
    contents = file.getvalue()
    assert {"<": b"II*\0", ">": b"MM\0*"}[order] in contents
    assert int(exif_orientation(tf.constant(contents))) == orientation
    image = Image.open(file)
    turned = upright(np.array(image), tf.constant(orientation))
    np.testing.assert_array_equal(turned, ImageOps.exif_transpose(image))


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"\xff\xe1",
        b"\xff\xe1\0\x20Exif\0\0",
        b"\xff\xe1\0\x20Exif\0\0II*\0\xff\xff\xff\xff" + b"\xff" * 9,
        b"\xff\xe1\0\x20Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03\0\0\0\x01"
        b"\0\x09",
        b"\x12\x01\x06\0" * 50,
    ],
    ids=range(6),
)
def test_what_is_no_orientation_is_upright(contents):
    assert int(exif_orientation(tf.constant(contents))) == 1


def test_transparency_is_white():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 4), np.uint8)
    image = Image.fromarray(pixels, "RGBA")
    white = Image.new("RGBA", image.size, "white")
    expected = np.array(Image.alpha_composite(white, image).convert("RGB"))
    found = on_white(pixels).numpy()
    # Pillow rounds in integers.
    assert np.abs(found.astype(int) - expected).max() <= 1
