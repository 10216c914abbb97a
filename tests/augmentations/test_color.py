import colorsys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance
from seeded_images import is_within_binomial_bound, random_images, seeds_of

from supcon_tf.augmentations import color, simclr
from supcon_tf.augmentations.planes import to_images, to_planes

GRAY = np.array([0.299, 0.587, 0.114])  # ITU-R 601


def numpy_gray(image):
    return np.sum(image * GRAY, axis=-1, keepdims=True)


def numpy_adjusted(image, kind, factor):
    image = np.float64(image)
    if kind == 0:
        return np.clip(factor * image, 0, 1)
    if kind == 1:
        mean = numpy_gray(image).mean()
        return np.clip(factor * image + (1 - factor) * mean, 0, 1)
    if kind == 2:
        gray = numpy_gray(image)
        return np.clip(factor * image + (1 - factor) * gray, 0, 1)
    turned = [
        colorsys.hsv_to_rgb((h + factor) % 1, s, v)
        for h, s, v in (
            colorsys.rgb_to_hsv(*pixel) for pixel in image.reshape(-1, 3)
        )
    ]
    return np.reshape(turned, image.shape)


def adjusted(images, kind, factor):
    count = len(images)
    factors = np.ones([count, 3], np.float32)
    shifts = np.zeros(count, np.float32)
    if kind == 3:
        shifts[:] = factor
    else:
        factors[:, kind] = factor
    order = np.tile(np.arange(4), (count, 1))
    planes = color.adjust_colors(to_planes(images), factors, shifts, order)
    return to_images(planes).numpy()


@pytest.mark.parametrize("factor", [0.0, 0.2, 0.7, 1.0, 1.4, 1.8, 3.0])
@pytest.mark.parametrize("kind", [0, 1, 2])
def test_an_adjustment_equals_its_formula_and_pillow(kind, factor):
    images = random_images(3, 12, 10)
    results = adjusted(images, kind, factor)
    enhancer = [
        ImageEnhance.Brightness,
        ImageEnhance.Contrast,
        ImageEnhance.Color,
    ][kind]
    for image, result in zip(images, results, strict=True):
        expected = numpy_adjusted(image / 255, kind, factor)
        np.testing.assert_allclose(result, expected, atol=2e-6)
        pillow = enhancer(Image.fromarray(image)).enhance(factor)
        # Pillow rounds the grey value by up to 1/2, times |1 - factor|, and
        # cuts off the fraction of the result.
        rounding = 1 + 0.5 * abs(1 - factor)
        np.testing.assert_allclose(
            255 * result, np.asarray(pillow), atol=rounding + 1e-3
        )


@pytest.mark.parametrize("shift", [-0.5, -0.2, -0.01, 0.0, 0.1, 1 / 3, 0.5])
def test_a_hue_shift_equals_colorsys_and_tf_image(shift):
    images = random_images(2, 16, 16)
    # Ties of the channels, greys, and the corners of the cube.
    images[0, :4] //= 128
    images[0, :4] *= 255
    images[1, :4, :, 1] = images[1, :4, :, 0]
    images[1, 4:8, :, 2] = images[1, 4:8, :, 1]
    images[1, 8:10] = images[1, 8:10, :, :1]
    shifted = to_images(
        color.shift_hue(to_planes(images), np.full(2, shift, np.float32))
    ).numpy()
    for image, result in zip(images, shifted, strict=True):
        expected = numpy_adjusted(image / 255, 3, shift)
        np.testing.assert_allclose(result, expected, atol=3e-6)
    library = tf.image.adjust_hue(images / np.float32(255), shift)
    np.testing.assert_allclose(shifted, library, atol=3e-6)


def test_jitter_applies_the_drawn_changes_in_the_drawn_order():
    images, seeds = random_images(40, 9, 8), seeds_of(40)
    factors, shifts, order = (
        p.numpy() for p in color.jitter_parameters(seeds, strength=1.0)
    )
    jittered = to_images(
        color.random_color_jitter(to_planes(images), seeds, strength=1.0)
    ).numpy()
    assert len(np.unique(order, axis=0)) > 10
    for i, image in enumerate(images / 255):
        amounts = [*factors[i], shifts[i]]
        for kind in order[i]:
            image = numpy_adjusted(image, kind, amounts[kind])
        np.testing.assert_allclose(jittered[i], image, atol=2e-5)


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_additive_brightness_is_that_of_tf_image(strength):
    images, seeds = random_images(40, 9, 8), seeds_of(40)
    options = {"strength": strength, "additive_brightness": True}
    factors, _, _ = color.jitter_parameters(seeds, **options)
    added = factors.numpy()[:, 0]
    assert 0.7 < np.abs(added).max() / (0.8 * strength) <= 1
    assert added.min() < -0.5 * strength < 0.5 * strength < added.max()
    assert 2 <= np.sum(added == 0) <= 18  # a fifth is not jittered
    first = np.tile(np.arange(4), (40, 1))
    factors = np.stack([added, np.ones(40), np.ones(40)], 1).astype("float32")
    planes = color.adjust_colors(
        to_planes(images),
        factors,
        np.zeros(40, "float32"),
        first,
        additive_brightness=True,
    )
    for image, delta, plane in zip(images, added, planes, strict=True):
        expected = tf.image.adjust_brightness(image / np.float32(255), delta)
        np.testing.assert_allclose(
            np.transpose(plane, [1, 2, 0]), np.clip(expected, 0, 1), atol=2e-6
        )
    views = simclr(images, seeds, 8, additive_brightness=True)
    assert not np.allclose(views, simclr(images, seeds, 8), atol=0.05)


@pytest.mark.parametrize("strength", [0.5, 1.0, 2.0])
def test_jitter_parameters_fill_their_ranges(strength):
    factors, shifts, order = (
        p.numpy()
        for p in color.jitter_parameters(seeds_of(4000), strength=strength)
    )
    changed = shifts != 0
    assert is_within_binomial_bound(changed, 0.8)
    assert (factors[~changed] == 1).all()
    low, high = max(0, 1 - 0.8 * strength), 1 + 0.8 * strength
    drawn = factors[changed]
    np.testing.assert_allclose(drawn.min(0), low, atol=0.01 * strength)
    np.testing.assert_allclose(drawn.max(0), high, atol=0.01 * strength)
    np.testing.assert_allclose(
        drawn.mean(0), (low + high) / 2, atol=0.05 * strength
    )
    bound = 0.2 * strength
    assert 0.99 * bound < np.abs(shifts).max() <= bound
    np.testing.assert_array_equal(np.sort(order, axis=1), [[0, 1, 2, 3]] * 4000)
    # Each of the 24 orders as often as the others.
    _, counts = np.unique(order, axis=0, return_counts=True)
    assert len(counts) == 24
    chi_square = np.sum((counts - 4000 / 24) ** 2 / (4000 / 24))
    assert chi_square < 23 + 4.5 * np.sqrt(2 * 23)


def test_a_fifth_of_the_images_become_grey_and_the_others_stay():
    images = random_images(4000, 2, 3)
    views = to_images(
        color.random_grayscale(to_planes(images), seeds_of(4000))
    ).numpy()
    chosen = (views == views[..., :1]).all(axis=(1, 2, 3))
    assert is_within_binomial_bound(chosen, 0.2)
    expected = np.where(
        chosen[:, None, None, None], numpy_gray(images / 255), images / 255
    )
    np.testing.assert_allclose(views, expected, atol=1e-6)
