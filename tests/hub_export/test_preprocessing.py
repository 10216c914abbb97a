"""What a SavedModel does to photographs is what a training did."""

import io

import numpy as np
import pytest
import tensorflow as tf
from often import often
from PIL import Image

from hub_export.preprocessing import preprocess_function
from supcon_tf.augmentations import AUGMENTATIONS
from supcon_tf.data.photograph_files import decode_photograph

SIZE = (24, 16)
pytestmark = pytest.mark.slow  # to trace the function takes seconds


@pytest.fixture(scope="module")
def preprocess():
    return preprocess_function(SIZE, "center_crop")


def photograph(mode="RGB", size=(40, 30)):
    """Smooth colours, which JPEG keeps, and no side is like another."""
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    planes = [200 * x + 20, 220 * y * x + 10, 250 * (1 - y), 255 * x]
    pixels = np.stack(planes[: len(mode)], axis=-1).astype(np.uint8)
    return Image.fromarray(pixels, mode)


def file_of(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def expected(contents):
    """As evaluation and supcon-predict treat the file, by Pillow."""
    image = decode_photograph(contents)[None]
    return AUGMENTATIONS["center_crop"](image, None, SIZE)


@pytest.mark.parametrize("orientation", often(range(1, 9), 1, 6))
def test_a_photograph_is_turned_as_the_camera_was(orientation, preprocess):
    """A photograph of a phone would lie on its side, and be classified so."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    contents = file_of(photograph(), "JPEG", quality=95, exif=exif)
    found = preprocess(tf.constant(contents))
    # Two decoders of JPEG round in two ways.
    np.testing.assert_allclose(found, expected(contents), atol=4 / 255)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", "PNG"), ("RGBA", "PNG"), ("RGB", "BMP"), ("L", "PNG")],
)
def test_other_files_are_as_pillow_decodes_them(mode, kind, preprocess):
    image = photograph().convert("L") if mode == "L" else photograph(mode)
    contents = file_of(image, kind)
    found = preprocess(tf.constant(contents))
    np.testing.assert_allclose(found, expected(contents), atol=1 / 255)


def test_arrays_and_several_files_are_taken_too(preprocess):
    pixels = np.array(photograph())
    file = file_of(photograph(), "PNG")
    once = preprocess(tf.constant(file))
    assert once.shape == (1, *SIZE, 3)
    for images in (pixels, pixels / np.float32(255)):
        for one in (images, images[None]):
            np.testing.assert_allclose(preprocess(one), once, atol=1e-6)
    twice = preprocess(tf.constant([file, file]))
    np.testing.assert_array_equal(twice, np.concatenate([once, once]))


def test_the_resizing_is_that_of_the_training():
    pixels = np.array(photograph(size=(90, 80)))
    for resizing in ("center_crop", "resize_then_crop"):
        found = preprocess_function((40, 40), resizing)(pixels)
        wanted = AUGMENTATIONS[resizing](pixels[None], None, 40)
        np.testing.assert_allclose(found, wanted, atol=1e-6)
