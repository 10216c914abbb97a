import numpy as np
import pytest
import tensorflow as tf
from seeded_images import (
    is_within_binomial_bound,
    random_images,
    random_planes,
    seeds_of,
)

from supcon_tf.augmentations import spatial
from supcon_tf.augmentations.planes import to_images, to_planes, uniform

# Crop, flip, resize


@pytest.mark.parametrize("size", [(9, 7), (24, 30), (50, 61), (1, 1)])
def test_a_crop_equals_the_antialiased_resize_of_its_window(size):
    height, width = 40, 34
    images = random_images(24, height, width) / np.float32(255)
    windows = spatial.random_windows(seeds_of(20), height, width).numpy()
    edges = [[0, 0, 40, 34], [39, 33, 1, 1], [0, 5, 40, 1], [3, 0, 1, 34]]
    windows = np.concatenate([windows, edges])
    flips = np.arange(24) % 2 == 1
    resized = to_images(
        spatial.crop_and_resize(to_planes(images), windows, flips, size=size)
    ).numpy()
    for i, (top, left, h, w) in enumerate(windows):
        window = images[i, top : top + h, left : left + w]
        expected = tf.image.resize(
            window, size, method="bilinear", antialias=True
        ).numpy()
        expected = expected[:, ::-1] if flips[i] else expected
        np.testing.assert_allclose(resized[i], expected, atol=1e-5)


def drawn_as_in_torchvision(draws, height, width, area, ratio):
    draws = np.float64(draws)
    for attempt in range(10):
        target = area[0] + draws[attempt] * (area[1] - area[0])
        target *= height * width
        low, high = np.log(ratio)
        aspect = np.exp(low + draws[10 + attempt] * (high - low))
        w = round(np.sqrt(target * aspect))
        h = round(np.sqrt(target / aspect))
        if 0 < w <= width and 0 < h <= height:
            top = int(draws[20] * (height - h + 1))
            left = int(draws[21] * (width - w + 1))
            return top, left, h, w
    h, w = height, width
    if width / height < ratio[0]:
        h = round(w / ratio[0])
    elif width / height > ratio[1]:
        w = round(h * ratio[1])
    return (height - h) // 2, (width - w) // 2, h, w


@pytest.mark.parametrize(
    "height, width, area",
    [
        (32, 32, (0.08, 1.0)),
        (256, 200, (0.2, 1.0)),
        (7, 5, (0.01, 0.1)),  # some candidates have no pixel
        (48, 96, (0.9, 1.0)),  # none fits
        (96, 40, (0.5, 1.0)),  # few fit
    ],
)
def test_windows_are_drawn_as_in_torchvision(height, width, area):
    seeds, ratio = seeds_of(300), (3 / 4, 4 / 3)
    windows = spatial.random_windows(seeds, height, width, area=area).numpy()
    draws = uniform(seeds, "crop", 22).numpy()
    expected = [
        drawn_as_in_torchvision(row, height, width, area, ratio)
        for row in draws
    ]
    np.testing.assert_array_equal(windows, expected)
    top, left, h, w = windows.T
    assert (h >= 1).all() and (w >= 1).all()
    assert (top >= 0).all() and (top + h <= height).all()
    assert (left >= 0).all() and (left + w <= width).all()


def test_windows_reach_every_edge_of_the_image():
    windows = spatial.random_windows(seeds_of(2000), 16, 16).numpy()
    top, left, h, w = windows.T
    cut = (h < 16) & (w < 16)
    for offset, side in [(top, h), (left, w)]:
        assert (offset[cut] == 0).any() and (offset + side == 16)[cut].any()
        # Uniform: as often near the one edge as near the other.
        margin = 16 - side[cut]
        uneven = 2 * offset[cut] != margin
        low = (2 * offset[cut] < margin)[uneven]
        assert is_within_binomial_bound(low, 0.5)


def test_half_of_the_images_are_flipped():
    assert is_within_binomial_bound(spatial.random_flips(seeds_of(4000)), 0.5)


# Blur


def numpy_blurred(plane, sigma, radius):
    """Weighted mean of the neighbours that exist, pixel by pixel."""
    height, width = plane.shape
    result = np.zeros_like(plane)
    for y in range(height):
        for x in range(width):
            total = weight_sum = 0.0
            for v in range(max(0, y - radius), min(height, y + radius + 1)):
                for u in range(max(0, x - radius), min(width, x + radius + 1)):
                    squared = (v - y) ** 2 + (u - x) ** 2
                    weight = np.exp(-squared / (2 * sigma**2))
                    total += weight * plane[v, u]
                    weight_sum += weight
            result[y, x] = total / weight_sum
    return result


@pytest.mark.parametrize("radius", [0, 1, 3])
def test_a_blur_equals_the_gaussian_mean_of_the_neighbours(radius):
    planes = random_planes(3, 11, 8, 2)
    sigmas = np.float32([0.1, 0.8, 2.0])
    blurred = spatial.blur(planes, sigmas, radius=radius).numpy()
    for i, sigma in enumerate(sigmas):
        for c in range(2):
            expected = numpy_blurred(
                np.float64(planes[i, c]), float(sigma), radius
            )
            np.testing.assert_allclose(blurred[i, c], expected, atol=2e-6)


@pytest.mark.parametrize("side, taps", [(32, 3), (59, 5), (224, 23)])
def test_the_blur_kernel_is_a_tenth_of_the_side_made_odd(side, taps):
    dot = np.zeros([1, 1, side, side + 10], np.float32)
    dot[0, 0, side // 2, side // 2] = 1
    blurred = spatial.random_blur(
        tf.constant(dot), seeds_of(1), probability=1.0, sigma=(9.0, 9.0)
    ).numpy()[0, 0]
    assert (blurred.max(axis=0) > 0).sum() == taps
    assert (blurred.max(axis=1) > 0).sum() == taps


def test_half_of_the_images_are_blurred_and_the_others_stay():
    planes = tf.repeat(random_planes(1, 40, 40, 1), 1000, axis=0)
    blurred = spatial.random_blur(
        planes, seeds_of(1000), sigma=(0.5, 2.0)
    ).numpy()
    changed = (blurred != planes.numpy()).any(axis=(1, 2, 3))
    assert is_within_binomial_bound(changed, 0.5)
    # Each by its own sigma.
    values = blurred[changed].sum(axis=1).reshape(changed.sum(), -1)
    assert len(np.unique(values, axis=0)) > 0.99 * changed.sum()
