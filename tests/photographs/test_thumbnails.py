"""Small copies of images."""

import io

import numpy as np
import pytest
from PIL import Image

from supcon_tf.photographs.thumbnails import pictures, sprite, webp_thumbnails


def opened(thumbnail):
    return np.asarray(Image.open(io.BytesIO(thumbnail)).convert("RGB"), int)


def test_a_thumbnail_keeps_the_shape_and_the_colours_of_its_image():
    images = np.zeros((2, 40, 20, 3), np.uint8)
    images[0] = (250, 10, 10)
    images[1] = (10, 10, 250)
    red, blue = map(opened, webp_thumbnails(images, 10))
    assert red.shape == blue.shape == (10, 5, 3)
    assert np.abs(red - [250, 10, 10]).max() < 12  # what WebP loses
    assert np.abs(blue - [10, 10, 250]).max() < 12


def test_an_image_is_never_made_larger():
    (small,) = webp_thumbnails(np.zeros((1, 8, 8, 3), np.uint8), 96)
    assert opened(small).shape == (8, 8, 3)


def test_floats_are_from_0_to_1_and_grey_images_become_rgb():
    images = np.array([0.0, 0.5, 1.0])[:, None, None, None]
    grey = [np.asarray(p) for p in pictures(np.tile(images, (1, 2, 2, 1)))]
    assert [picture[0, 0].tolist() for picture in grey] == [
        [0, 0, 0],
        [128, 128, 128],
        [255, 255, 255],
    ]


def test_a_file_is_shown_upright_and_on_white(tmp_path):
    wide = Image.fromarray(np.zeros((10, 20, 3), np.uint8))
    exif = wide.getexif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    wide.save(tmp_path / "turned.jpg", exif=exif)
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    turned, white = pictures([tmp_path / "turned.jpg", tmp_path / "clear.png"])
    assert turned.size == (10, 20)
    assert white.getpixel((0, 0)) == (255, 255, 255)


def test_a_file_of_16_bits_is_not_all_white(tmp_path):
    deep = np.full((4, 4), 128 * 256, np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    (picture,) = pictures([tmp_path / "deep.png"])
    assert picture.getpixel((0, 0)) == (128, 128, 128)


def test_a_large_jpeg_file_is_decoded_at_a_fraction_of_its_size(tmp_path):
    Image.new("RGB", (800, 400), "red").save(tmp_path / "large.jpg")
    (picture,) = pictures([tmp_path / "large.jpg"], 20)
    assert picture.size == (100, 50)  # an eighth, not below twice 20
    (small,) = webp_thumbnails([tmp_path / "large.jpg"], 20)
    assert opened(small).shape == (10, 20, 3)


def test_a_sprite_has_the_images_row_by_row():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * 50
    whole = np.asarray(sprite(np.tile(images, (1, 6, 6, 1)), 3))
    assert whole.shape == (6, 9, 3)  # 3 columns, 2 rows
    assert whole[1::3, 1::3, 0].tolist() == [[0, 50, 100], [150, 200, 255]]


def test_what_is_no_image_is_one_clear_line(tmp_path):
    (tmp_path / "a.jpg").write_text("no image")
    with pytest.raises(ValueError, match=r"paths of image files.*a\.jpg"):
        webp_thumbnails([tmp_path / "a.jpg"], 8)
    with pytest.raises(ValueError, match=r"Received: shape \(2, 8, 8\)"):
        webp_thumbnails(np.zeros((2, 8, 8)), 8)
