"""The operations on the device against those on the host, and by definition."""

import inspect

import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from seeded_images import random_images, seeds_of

from supcon_tf.augmentations import AUGMENTATIONS, color, planes
from supcon_tf.augmentations import spatial as host_spatial
from supcon_tf.augmentations.on_device import color as device_color
from supcon_tf.augmentations.on_device import spatial
from supcon_tf.augmentations.on_device.pipelines import PIPELINES
from supcon_tf.augmentations.on_device.random_numbers import as_words
from supcon_tf.augmentations.presets import CROP_RATIO, GRAY

# Crops


@pytest.mark.parametrize(
    "height, width, area",
    [
        (32, 32, (0.2, 1.0)),
        (40, 9, (0.9, 1.0)),
        (9, 40, (0.9, 1.0)),
        (1, 1, (0.1, 1)),
    ],
)
def test_the_windows_are_those_of_the_host(height, width, area):
    seeds = seeds_of(2000)
    windows = spatial.random_windows(as_words(seeds), height, width, area=area)
    expected = host_spatial.random_windows(seeds, height, width, area=area)
    np.testing.assert_array_equal(windows, expected)


def test_float32_moves_few_windows_and_by_a_pixel(monkeypatch):
    monkeypatch.setattr(spatial.keras.backend, "backend", lambda: "jax")
    seeds = seeds_of(20_000)
    windows = spatial.random_windows(as_words(seeds), 375, 500, area=(0.08, 1))
    expected = host_spatial.random_windows(seeds, 375, 500)
    differ = np.abs(np.asarray(windows) - expected)
    # 32 in 10^6 were measured, so 0.6 are expected here.
    assert differ.max() <= 1 and (differ.max(axis=1) > 0).sum() <= 6


def test_the_windows_have_the_uniform_areas_of_their_definition():
    seeds = as_words(seeds_of(10_000))
    windows = np.asarray(
        spatial.random_windows(seeds, 1000, 1000, area=(0.2, 0.5))
    )
    top, left, height, width = windows.T
    area = height * width / 1e6
    # All fit, so that area and log of the ratio are uniform: 4.5 deviations.
    bound = 4.5 / np.sqrt(12 * 10_000)
    assert abs(area.mean() - 0.35) < 0.3 * bound + 1e-4
    ratio = np.log(width / height) / np.log(CROP_RATIO[1])
    assert abs(ratio.mean()) < 2 * bound + 1e-3
    assert abs(np.mean(top / (1000 - height)) - 0.5) < bound + 1e-3
    assert abs(np.mean(left / (1000 - width)) - 0.5) < bound + 1e-3


def resized(window, size):
    """The antialiased bilinear resize, pixel by pixel."""
    for axis, outputs in enumerate(size):
        scale = window.shape[axis] / outputs
        support = max(scale, 1)
        rows = []
        for i in range(outputs):
            position = np.arange(window.shape[axis]) + 0.5
            distance = np.abs(position - (i + 0.5) * scale) / support
            weights = np.maximum(1 - distance, 0)
            weights /= weights.sum()
            rows.append(np.tensordot(weights, window, axes=(0, axis)))
        window = np.stack(rows, axis=axis)
    return window


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(5, 7), (20, 16)])
def test_a_crop_is_the_resize_of_its_mirrored_window(size, channels):
    images = random_images(3, 13, 11, channels)
    windows = np.array(  # of two views of each image
        [[0, 0, 13, 11], [2, 3, 7, 5], [12, 10, 1, 1]] * 2, np.float32
    )
    flips = np.array([False, True, False, True, False, True])
    made = spatial.crop_and_resize(images, windows, flips, size=size, views=2)
    for i, (top, left, h, w) in enumerate(windows.astype(int)):
        window = images[i // 2, top : top + h, left : left + w] / 255
        window = window[:, ::-1] if flips[i] else window
        np.testing.assert_allclose(
            np.moveaxis(made[i], 0, -1), resized(window, size), atol=1e-5
        )


# Colours


def jittered(image, factors, shift, order):
    """One image `[3, H, W]`, pixel by pixel, as torchvision has it."""
    import colorsys

    def gray(x):
        return np.tensordot(GRAY, x, axes=1)

    for step in order:
        if step == 0:
            image = factors[0] * image
        elif step == 1:
            image = factors[1] * image + (1 - factors[1]) * gray(image).mean()
        elif step == 2:
            image = factors[2] * image + (1 - factors[2]) * gray(image)
        else:
            pixels = []
            for pixel in image.reshape(3, -1).T:
                hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
                pixels.append(
                    colorsys.hsv_to_rgb((hue + shift) % 1, saturation, value)
                )
            image = np.array(pixels).T.reshape(image.shape)
        image = np.clip(image, 0, 1)
    return image


def test_the_jitter_follows_its_definition_in_each_order():
    import itertools

    orders = np.array(list(itertools.permutations(range(4))), np.int32)
    numbers = np.random.default_rng(0)
    images = numbers.random((24, 3, 4, 5)).astype(np.float32)
    factors = numbers.uniform(0.4, 1.6, (24, 3)).astype(np.float32)
    shifts = numbers.uniform(-0.2, 0.2, 24).astype(np.float32)
    zero = np.zeros(24, np.float32)
    mixtures = np.stack(
        [
            np.stack([factors[:, 0], zero, zero, zero], 1),
            np.stack([factors[:, 1], zero, 1 - factors[:, 1], zero], 1),
            np.stack([factors[:, 2], 1 - factors[:, 2], zero, zero], 1),
        ],
        axis=1,
    )
    made = device_color.adjust_colors(images, mixtures, shifts, orders)
    for i in range(24):
        np.testing.assert_allclose(
            made[i],
            jittered(images[i].astype(float), factors[i], shifts[i], orders[i]),
            atol=1e-5,
        )


def test_an_image_that_is_not_jittered_keeps_its_bits():
    seeds = seeds_of(60)
    is_jittered = planes.uniform(seeds, "jitter", 1)[:, 0] < 0.8
    pixels = random_images(60, 6, 6).astype(np.float32) / 255
    pixels = np.moveaxis(pixels, -1, 1)
    made = device_color.random_color_jitter(
        pixels, as_words(seeds), strength=0.5
    )
    kept = np.all(np.asarray(made) == pixels, axis=(1, 2, 3))
    np.testing.assert_array_equal(kept, np.logical_not(is_jittered))


def test_ten_thousand_draws_of_the_jitter_are_those_of_the_host():
    seeds = seeds_of(10_000)
    mixtures, shifts, order = device_color.jitter_parameters(
        as_words(seeds), strength=1.0
    )
    factors, expected_shifts, expected_order = color.jitter_parameters(seeds)
    np.testing.assert_array_equal(order, expected_order)
    np.testing.assert_allclose(shifts, expected_shifts, atol=1e-6)
    np.testing.assert_allclose(mixtures[:, :, 0], factors, atol=1e-6)


# Pipelines


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_has_the_arguments_of_the_host(name):
    def arguments(function):
        return {
            p.name: p.default
            for p in inspect.signature(function).parameters.values()
            if p.name != "views"
        }

    assert arguments(PIPELINES[name]) == arguments(AUGMENTATIONS[name])


CASES = [
    *((name, {}, 3, 12) for name in PIPELINES),
    ("simclr", {"additive_brightness": True, "strength": 1.0}, 3, 12),
    ("simclr", {"blur_probability": 0.5}, 3, (24, 40)),
    ("simclr", {}, 1, 12),
    ("simclr", {}, 3, 36),  # above 32 pixels: the presets of ImageNet
]


@pytest.mark.slow
@pytest.mark.parametrize("name, options, channels, size", CASES)
def test_the_same_seeds_make_the_views_of_the_host(
    name, options, channels, size
):
    images, seeds = random_images(40, 20, 26, channels), seeds_of(40)
    made = PIPELINES[name](images, as_words(seeds), size, **options)
    expected = AUGMENTATIONS[name](images, seeds, size, **options)
    np.testing.assert_allclose(made, expected, atol=0.2 / 255)


def test_floats_make_the_views_of_their_bytes():
    images, seeds = random_images(6, 20, 26), as_words(seeds_of(6))
    np.testing.assert_allclose(
        PIPELINES["crop_flip"](images / np.float32(255), seeds, 8),
        PIPELINES["crop_flip"](images, seeds, 8),
        atol=1e-5,
    )


@pytest.mark.release
def test_xla_makes_the_views_that_are_made_eagerly():
    images, seeds = random_images(6, 12, 12), as_words(seeds_of(6))

    def views(images, seeds):
        return PIPELINES["simclr"](images, seeds, 8, blur_probability=0.5)

    np.testing.assert_allclose(
        tf.function(views, jit_compile=True)(images, seeds),
        views(images, seeds),
        atol=1e-5,
    )
    assert ops.shape(views(images, seeds)) == (6, 8, 8, 3)
