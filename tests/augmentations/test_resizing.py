import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.augmentations import spatial
from supcon_tf.augmentations.planes import to_images, to_planes
from supcon_tf.augmentations.resizing import resize

# Of 1: positions near 400 pixels are multiples of 3e-5 in float32.
ROUNDING = 1e-4


def image(height, width, channels=3):
    numbers = np.random.default_rng(0)
    return numbers.integers(
        0, 256, (height, width, channels), dtype=np.uint8
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (16, 15), (20, 33), (64, 48)])
@pytest.mark.parametrize("sides", [(1, 1), (2, 90), (33, 20), (401, 130)])
def test_it_resizes_as_whole_matrices_do(sides, size):
    pixels = image(*sides)
    window = tf.constant([[0, 0, *sides]])
    expected = spatial.crop_and_resize(
        to_planes(pixels[None]), window, size=size
    )
    resized = resize(tf.constant(pixels), size=size)
    assert resized.shape == (*size, 3) and resized.dtype == tf.float32
    np.testing.assert_allclose(resized, to_images(expected)[0], atol=ROUNDING)


def test_resize_takes_sides_unknown_when_traced():
    traced = tf.function(
        lambda pixels: resize(pixels, size=(24, 40)),
        input_signature=[tf.TensorSpec([None, None, 1], tf.uint8)],
    )
    for sides in ((70, 30), (9, 200), (20, 40)):
        resized = traced(image(*sides, 1))
        assert resized.shape == (24, 40, 1)
        expected = tf.image.resize(
            image(*sides, 1) / np.float32(255), (24, 40), antialias=True
        )
        np.testing.assert_allclose(resized, expected, atol=ROUNDING)


def test_what_is_white_stays_in_the_range():
    white = tf.fill([37, 53, 3], tf.constant(255, tf.uint8))
    for size in ((24, 40), (64, 64)):
        resized = resize(white, size=size)
        assert tf.reduce_max(resized) == 1
        np.testing.assert_allclose(resized, 1, atol=1e-6)
