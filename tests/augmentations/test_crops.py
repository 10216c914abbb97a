import numpy as np
import pytest
import tensorflow as tf
from seeded_images import (
    ROUNDING,
    is_within_binomial_bound,
    random_images,
    seeds_of,
)

from supcon_tf.augmentations import (
    center_crop,
    crop,
    crop_flip,
    resize_then_crop,
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "pipeline", [crop_flip, crop, center_crop, resize_then_crop]
)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_crops_take_any_number_of_channels(pipeline, channels):
    images = random_images(4, 20, 20, channels)
    views = pipeline(images, seeds_of(4), 16).numpy()
    assert views.shape == (4, 16, 16, channels)
    one = pipeline(images[..., -1:], seeds_of(4), 16).numpy()
    np.testing.assert_allclose(views[..., -1:], one, atol=ROUNDING)


def test_crop_never_mirrors_and_crop_flip_mirrors_half():
    ramp = np.linspace(0, 1, 32, dtype=np.float32)
    images = np.broadcast_to(ramp[:, None], (2000, 8, 32, 1))

    def mirrored(views):
        return views[:, 0, 0, 0] > views[:, 0, -1, 0]

    assert not mirrored(crop(images, seeds_of(2000), 8).numpy()).any()
    flipped = mirrored(crop_flip(images, seeds_of(2000), 8).numpy())
    assert is_within_binomial_bound(flipped, 0.5)


@pytest.mark.parametrize(
    "shape, size, window",
    [
        ((40, 60), (20, 20), (0, 10, 40, 40)),
        ((61, 40), (32, 64), (20, 0, 20, 40)),
        ((10, 10), (30, 30), (0, 0, 10, 10)),
        ((3, 50), (100, 1), (0, 24, 3, 1)),
    ],
)
def test_center_crop_resizes_the_largest_centred_window(shape, size, window):
    images = random_images(2, *shape)
    top, left, h, w = window
    expected = tf.image.resize(
        images[:, top : top + h, left : left + w] / np.float32(255),
        size,
        method="bilinear",
        antialias=True,
    )
    views = center_crop(images, None, size)
    np.testing.assert_allclose(views, expected, atol=1e-5)


def test_center_crop_only_converts_an_image_of_the_right_size():
    images = random_images(3, 20, 28)
    expected = images.astype(np.float32) / np.float32(255)
    for size in [(20, 28), [20, 28], tf.TensorShape([20, 28])]:
        views = center_crop(images, None, size)
        np.testing.assert_array_equal(views, expected)


def test_resize_then_crop_shows_the_centre_of_the_resized_image():
    # A smooth image: windows are whole pixels, off by up to half a pixel.
    rows, columns = np.linspace(0, 1, 300), np.linspace(0, 1, 400)
    image = np.float32(np.sin(5 * rows[:, None] + 3 * columns) / 2 + 0.5)
    image = np.stack([image, image**2, 1 - image], axis=-1)[None]
    resized = tf.image.resize(image, (256, 341), antialias=True).numpy()
    expected = resized[:, 16:240, 58:282]
    views = resize_then_crop(image, None, 224).numpy()
    np.testing.assert_allclose(views, expected, atol=0.02)
    moved = np.abs(center_crop(image, None, 224) - expected).max()
    assert moved > 0.1


@pytest.mark.parametrize("size, padding", [(33, 32), (32, 0), (20, 0)])
def test_resize_then_crop_pads_large_images_by_32(size, padding):
    side = size + padding
    images = random_images(2, side, side + 6)
    half = padding // 2
    expected = images[:, half : half + size, half + 3 : half + 3 + size] / 255
    views = resize_then_crop(images, None, size)
    np.testing.assert_allclose(views, expected, atol=ROUNDING)
    explicit = resize_then_crop(images, None, size, padding=padding)
    np.testing.assert_array_equal(views, explicit)


def test_a_negative_padding_is_refused_in_one_line():
    images = random_images(4, 8, 8)
    with pytest.raises(ValueError, match=r"`padding` .*>= 0.*=-1") as error:
        resize_then_crop(images, seeds_of(4), 8, padding=-1)
    assert "\n" not in str(error.value)
