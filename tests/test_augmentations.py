import colorsys
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

from supcon_tf.augmentations import (
    AUGMENTATIONS,
    autoaugment,
    center_crop,
    color,
    crop,
    crop_flip,
    ops,
    policies,
    randaugment,
    resize_then_crop,
    simclr,
    spatial,
    stacked_randaugment,
)

GRAY = np.array([0.299, 0.587, 0.114])  # ITU-R 601
# Positions near 40 pixels are multiples of 4e-6 in float32; weights inherit it.
ROUNDING = 1e-5
RANDOM = [
    "simclr",
    "autoaugment",
    "randaugment",
    "stacked_randaugment",
    "crop_flip",
    "crop",
]


def random_images(count, height, width, channels=3, seed=0):
    numbers = np.random.default_rng(seed)
    return numbers.integers(
        0, 256, (count, height, width, channels), dtype=np.uint8
    )


def random_planes(count, height, width, channels=3, seed=0):
    return ops.to_planes(random_images(count, height, width, channels, seed))


def assert_same_views(name, views, expected):
    """Up to rounding; to 8 bits, too, in the pipelines with a policy."""
    if "autoaugment" in name or "randaugment" in name:
        # A value in 200 or fewer is rounded to the other side.
        differ = np.abs(np.asarray(views) - expected) > ROUNDING
        assert np.shape(views) == np.shape(expected) and differ.mean() < 0.005
    else:
        np.testing.assert_allclose(views, expected, atol=ROUNDING)


def seeds_of(count, first=7):
    return np.stack([np.full(count, first), np.arange(count)], axis=1)


def is_within_binomial_bound(hits, probability):
    """4.5 standard deviations: a right rate fails once in 150,000 cases."""
    deviation = np.sqrt(probability * (1 - probability) / len(hits))
    return abs(np.mean(hits) - probability) < 4.5 * deviation


# Random numbers


def splitmix64_mix(bits):
    mask = 2**64 - 1
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & mask
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & mask
    return bits ^ bits >> 31


def test_uniform_is_splitmix64_started_at_the_hashed_seed():
    golden, mask = 0x9E3779B97F4A7C15, 2**64 - 1
    # The published first output for the state 1234567.
    first_output = splitmix64_mix(1234567 + golden & mask)
    assert first_output == 6457827717110365317

    seeds = [[0, 0], [3, -4], [-(2**63), 2**63 - 1]]
    drawn = tf.function(ops.uniform)(
        tf.constant(seeds, tf.int64), "flip", 5
    ).numpy()
    start = zlib.crc32(b"flip") * golden & mask
    for (first, second), row in zip(seeds, drawn, strict=True):
        key = splitmix64_mix(
            splitmix64_mix(first + start & mask) + second & mask
        )
        expected = [
            (splitmix64_mix(key + i * golden & mask) >> 40) / 2**24
            for i in range(1, 6)
        ]
        np.testing.assert_array_equal(row, np.float32(expected))


def test_draws_are_uniform_in_0_1():
    draws = ops.uniform(seeds_of(20_000), "x", 4).numpy()
    assert draws.dtype == np.float32
    assert 0 <= draws.min() and draws.max() < 1
    # The mean of n uniforms deviates by sqrt(1 / 12 / n), the mean square of
    # the centred ones by sqrt((1 / 80 - 1 / 144) / n).
    n = draws.size
    assert abs(draws.mean() - 0.5) < 4.5 * np.sqrt(1 / 12 / n)
    spread = 4.5 * np.sqrt((1 / 80 - 1 / 144) / n)
    assert abs(draws.var() - 1 / 12) < spread
    counts, _ = np.histogram(draws, bins=64, range=(0, 1))
    chi_square = np.sum((counts - n / 64) ** 2 / (n / 64))
    assert chi_square < 63 + 4.5 * np.sqrt(2 * 63)


@pytest.mark.parametrize("axis", [0, 1])
def test_draws_of_neighbouring_seeds_are_independent(axis):
    n = 20_000
    seeds = np.zeros([n + 1, 2], np.int32)
    seeds[:, axis] = np.arange(n + 1)
    draws = ops.uniform(seeds, "x", 1).numpy()[:, 0]
    correlation = np.corrcoef(draws[:-1], draws[1:])[0, 1]
    assert abs(correlation) < 4.5 / np.sqrt(n)
    assert len(np.unique(draws)) > 0.99 * n


def test_draws_of_one_seed_are_independent_of_each_other():
    n = 20_000
    draws = np.concatenate(
        [
            ops.uniform(seeds_of(n), "x", 3).numpy(),
            ops.uniform(seeds_of(n), "y", 3).numpy(),
            ops.uniform(seeds_of(n)[:, ::-1], "x", 2).numpy(),
        ],
        axis=1,
    )
    correlations = np.corrcoef(draws, rowvar=False) - np.eye(8)
    assert np.abs(correlations).max() < 4.5 / np.sqrt(n)


def test_int32_and_int64_seeds_draw_the_same():
    seeds = np.array([[1, -2], [2**31 - 1, -(2**31)]])
    np.testing.assert_array_equal(
        ops.uniform(tf.constant(seeds, tf.int32), "x", 3),
        ops.uniform(tf.constant(seeds, tf.int64), "x", 3),
    )


def test_more_draws_start_with_the_same_draws():
    np.testing.assert_array_equal(
        ops.uniform(seeds_of(5), "x", 3),
        ops.uniform(seeds_of(5), "x", 7)[:, :3],
    )


# Determinism of the pipelines


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("size", [(16, 24), (40, 34)])
def test_the_same_seed_gives_the_same_view_in_any_batch(name, size):
    pipeline = AUGMENTATIONS[name]
    images, seeds = random_images(12, 36, 28), seeds_of(12)
    expected = pipeline(images, seeds, size).numpy()

    order = np.random.default_rng(1).permutation(12)
    shuffled = pipeline(images[order], seeds[order], size).numpy()
    assert_same_views(name, shuffled, expected[order])
    alone = [
        pipeline(images[i : i + 1], seeds[i : i + 1], size) for i in (0, 5)
    ]
    assert_same_views(name, np.concatenate(alone), expected[[0, 5]])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_eager_function_and_dataset_give_the_same_view(name):
    pipeline = AUGMENTATIONS[name]
    images, seeds = random_images(8, 40, 44), seeds_of(8)

    def view(images, seeds):
        return pipeline(images, seeds, 36)

    expected = view(images, seeds)
    assert_same_views(name, tf.function(view)(images, seeds), expected)
    dataset = tf.data.Dataset.from_tensor_slices((images, seeds)).batch(3)
    batches = list(dataset.map(view, num_parallel_calls=2))
    assert_same_views(name, tf.concat(batches, 0), expected)


@pytest.mark.parametrize("name", RANDOM)
def test_each_image_draws_its_own_view(name):
    images = np.repeat(random_images(1, 64, 64), 64, axis=0)
    views = AUGMENTATIONS[name](images, seeds_of(64), 32).numpy()
    # Windows are whole pixels: two of 64 may be the same by chance.
    assert len(np.unique(views.reshape(64, -1), axis=0)) >= 62


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_unknown_input_shapes_give_the_known_output_shape(name):
    pipeline = AUGMENTATIONS[name]
    signature = (
        tf.TensorSpec([None, None, None, 3], tf.uint8),
        tf.TensorSpec([None, 2], tf.int64),
    )

    def generate():
        for height, width, count in [(50, 20, 2), (33, 70, 3)]:
            yield random_images(count, height, width), seeds_of(count)

    dataset = tf.data.Dataset.from_generator(
        generate, output_signature=signature
    ).map(lambda images, seeds: pipeline(images, seeds, (40, 36)))
    assert dataset.element_spec.shape.as_list() == [None, 40, 36, 3]
    views = list(dataset)
    assert [v.shape[0] for v in views] == [2, 3]
    for view, (images, seeds) in zip(views, generate(), strict=True):
        expected = pipeline(images, seeds, (40, 36))
        assert_same_views(name, view, expected)


def test_a_batch_of_none_gives_views_of_none():
    for pipeline in AUGMENTATIONS.values():
        views = pipeline(random_images(0, 36, 36), seeds_of(0), 40)
        assert views.shape == (0, 40, 40, 3)


# Range and dtype


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
def test_views_are_float32_in_0_1(name, dtype):
    images = random_images(32, 34, 34)
    images[:8] = 255
    images[8:16] = 0
    if dtype != "uint8":
        images = (images / 255).astype(dtype)
    views = AUGMENTATIONS[name](images, seeds_of(32), 36).numpy()
    assert views.dtype == np.float32 and views.shape == (32, 36, 36, 3)
    assert views.min() >= 0 and views.max() <= 1


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_bytes_and_floats_give_the_same_view(name):
    images = random_images(8, 34, 34)
    assert_same_views(
        name,
        AUGMENTATIONS[name](images, seeds_of(8), 32),
        AUGMENTATIONS[name](images / 255.0, seeds_of(8), 32),
    )


@pytest.mark.parametrize(
    "name", ["crop_flip", "crop", "center_crop", "resize_then_crop"]
)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_crops_take_any_number_of_channels(name, channels):
    images = random_images(4, 20, 20, channels)
    views = AUGMENTATIONS[name](images, seeds_of(4), 16).numpy()
    assert views.shape == (4, 16, 16, channels)
    one = AUGMENTATIONS[name](images[..., -1:], seeds_of(4), 16).numpy()
    np.testing.assert_allclose(views[..., -1:], one, atol=ROUNDING)


@pytest.mark.parametrize("name", RANDOM[:4])
def test_pipelines_with_colours_take_grey_images(name):
    pipeline = AUGMENTATIONS[name]
    views = pipeline(random_images(16, 40, 40, 1), seeds_of(16), 40).numpy()
    assert views.shape == (16, 40, 40, 1)
    assert views.min() >= 0 and views.max() <= 1


# Crop, flip, resize


@pytest.mark.parametrize("size", [(9, 7), (24, 30), (50, 61), (1, 1)])
def test_a_crop_equals_the_antialiased_resize_of_its_window(size):
    height, width = 40, 34
    images = random_images(24, height, width) / np.float32(255)
    windows = spatial.random_windows(seeds_of(20), height, width).numpy()
    edges = [[0, 0, 40, 34], [39, 33, 1, 1], [0, 5, 40, 1], [3, 0, 1, 34]]
    windows = np.concatenate([windows, edges])
    flips = np.arange(24) % 2 == 1
    resized = ops.to_images(
        spatial.crop_and_resize(
            ops.to_planes(images), windows, flips, size=size
        )
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
    draws = ops.uniform(seeds, "crop", 22).numpy()
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


# Colour


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
    planes = color.adjust_colors(ops.to_planes(images), factors, shifts, order)
    return ops.to_images(planes).numpy()


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
    shifted = ops.to_images(
        color.shift_hue(ops.to_planes(images), np.full(2, shift, np.float32))
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
    jittered = ops.to_images(
        color.random_color_jitter(ops.to_planes(images), seeds, strength=1.0)
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
        ops.to_planes(images),
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
    views = ops.to_images(
        color.random_grayscale(ops.to_planes(images), seeds_of(4000))
    ).numpy()
    chosen = (views == views[..., :1]).all(axis=(1, 2, 3))
    assert is_within_binomial_bound(chosen, 0.2)
    expected = np.where(
        chosen[:, None, None, None], numpy_gray(images / 255), images / 255
    )
    np.testing.assert_allclose(views, expected, atol=1e-6)


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


# SimCLR as a whole


def test_simclr_takes_its_presets_from_the_size():
    images, seeds = random_images(16, 40, 40), seeds_of(16)
    cifar = {"strength": 0.5, "area": (0.2, 1.0), "blur_probability": 0.0}
    imagenet = {"strength": 1.0, "area": (0.08, 1.0), "blur_probability": 0.5}
    for size, preset, other in [(32, cifar, imagenet), (33, imagenet, cifar)]:
        views = simclr(images, seeds, size).numpy()
        np.testing.assert_array_equal(
            views, simclr(images, seeds, size, **preset)
        )
        for name, value in other.items():
            changed = simclr(images, seeds, size, **{name: value})
            assert np.abs(views - changed).max() > 0.01, name


def test_simclr_makes_a_fifth_of_the_views_grey():
    images = random_images(2000, 8, 8)
    views = simclr(images, seeds_of(2000), 8, strength=0).numpy()
    gray = np.ptp(views, axis=-1).max(axis=(1, 2)) == 0
    assert is_within_binomial_bound(gray, 0.2)


def test_simclr_without_its_changes_is_crop_flip():
    images, seeds = random_images(64, 20, 20), seeds_of(64)
    kept = ops.uniform(seeds, "grayscale", 1).numpy()[:, 0] >= 0.2
    views = simclr(images, seeds, 16, strength=0).numpy()
    expected = crop_flip(images, seeds, 16).numpy()
    np.testing.assert_allclose(views[kept], expected[kept], atol=ROUNDING)


# AutoAugment, RandAugment, stacked RandAugment as a whole


def test_autoaugment_takes_its_policy_from_the_size():
    images, seeds = random_images(16, 40, 40), seeds_of(16)
    for size, policy in [(32, "cifar10"), (33, "imagenet")]:
        views = autoaugment(images, seeds, size).numpy()
        for other in ["imagenet", "cifar10", "v0"]:
            changed = autoaugment(images, seeds, size, policy=other)
            assert (np.abs(views - changed).max() == 0) == (policy == other)


@pytest.mark.parametrize(
    "pipeline, name, operation",
    [
        (autoaugment, "autoaugment", policies.random_autoaugment),
        (randaugment, "randaugment", policies.random_randaugment),
    ],
)
def test_a_policy_follows_crop_and_flip(pipeline, name, operation):
    images, seeds = random_images(32, 60, 60), seeds_of(32)
    cropped = crop_flip(images, seeds, 48, area=(0.3, 0.9))
    expected = operation(tf.transpose(cropped, [0, 3, 1, 2]), seeds)
    views = pipeline(images, seeds, 48, area=(0.3, 0.9))
    assert_same_views(name, views, ops.to_images(expected))


def test_stacked_randaugment_has_the_presets_and_changes_of_simclr():
    images, seeds = random_images(16, 40, 40), seeds_of(16)
    cifar = {"strength": 0.5, "area": (0.2, 1.0), "blur_probability": 0.0}
    imagenet = {"strength": 1.0, "area": (0.08, 1.0), "blur_probability": 0.5}
    for size, preset in [(32, cifar), (33, imagenet)]:
        views = stacked_randaugment(images, seeds, size).numpy()
        explicit = stacked_randaugment(images, seeds, size, **preset)
        np.testing.assert_array_equal(views, explicit)
        for name, value in [("magnitude", 3), ("num_layers", 1)]:
            changed = stacked_randaugment(images, seeds, size, **{name: value})
            assert np.abs(views - changed).max() > 0.01, name


def test_stacked_randaugment_jitters_before_and_greys_and_blurs_after():
    images, seeds = random_images(32, 50, 50), seeds_of(32)
    planes = tf.transpose(crop_flip(images, seeds, 40), [0, 3, 1, 2])
    planes = color.random_color_jitter(planes, seeds)
    planes = policies.random_randaugment(planes, seeds)
    planes = color.random_grayscale(planes, seeds)
    planes = spatial.random_blur(planes, seeds)
    views = stacked_randaugment(images, seeds, 40)
    # A blur spreads a value that was rounded to the other side.
    differences = np.abs(views - ops.to_images(planes))
    assert differences.mean() < 1e-4 and differences.max() < 0.1


# Errors


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_wrong_images_and_sizes_are_refused_in_one_line(name):
    pipeline = AUGMENTATIONS[name]
    images, seeds = random_images(4, 8, 8), seeds_of(4)
    cases = [
        ((images[0], seeds, 8), r"`images` .*\[B, H, W, C\].*\(8, 8, 3\)"),
        ((images.astype(int), seeds, 8), "uint8 .*floats.*int64"),
        ((images, seeds, 0), "`image_size` .*positive.*image_size=0"),
        ((images, seeds, (8, -1)), r"image_size=\(8, -1\)"),
        ((images, seeds, (8, 8, 3)), r"image_size=\(8, 8, 3\)"),
        ((images, seeds, 8.5), "image_size=8.5"),
        ((images, seeds, None), "image_size=None"),
    ]
    for arguments, message in cases:
        with pytest.raises(ValueError, match=message) as error:
            pipeline(*arguments)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", RANDOM)
def test_wrong_seeds_and_areas_are_refused_in_one_line(name):
    pipeline = AUGMENTATIONS[name]
    images, seeds = random_images(4, 8, 8), seeds_of(4)
    cases = [
        (seeds[:3], {}, r"`seeds` .*\(4, 2\).*\(3, 2\)"),
        (seeds[0], {}, r"`seeds` .*\(4, 2\).*\(2,\)"),
        (seeds[:, :1], {}, r"`seeds` .*\(4, 1\)"),
        (seeds.astype(np.float32), {}, "`seeds` .*int32 or int64.*float32"),
        (seeds, {"area": (0.0, 1.0)}, r"`area` .*\(0.0, 1.0\)"),
        (seeds, {"area": (0.9, 0.5)}, r"`area` .*\(0.9, 0.5\)"),
        (seeds, {"area": (0.5, 1.1)}, r"`area` .*\(0.5, 1.1\)"),
        (seeds, {"area": 0.5}, "`area` .*area=0.5"),
    ]
    for wrong, options, message in cases:
        with pytest.raises(ValueError, match=message) as error:
            pipeline(images, wrong, 8, **options)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "channels, options, message",
    [
        (2, {}, "1 or 3 channels.*channels=2"),
        (3, {"strength": -1}, r"`strength` .*\[0, 2.5\].*strength=-1"),
        (3, {"strength": 3}, "strength=3"),
        (3, {"blur_probability": 1.5}, "blur_probability=1.5"),
    ],
)
def test_simclr_refuses_wrong_channels_and_options(channels, options, message):
    with pytest.raises(ValueError, match=message) as error:
        simclr(random_images(4, 8, 8, channels), seeds_of(4), 8, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "pipeline, options, message",
    [
        (autoaugment, {"policy": "v1"}, r"`policy` .*'cifar10'.*'v1'"),
        (randaugment, {"magnitude": 31}, r"`magnitude` .*\[0, 30\].*=31"),
        (randaugment, {"num_layers": 0}, "`num_layers` .*>= 1.*=0"),
        (stacked_randaugment, {"magnitude": -1}, "magnitude=-1"),
        (stacked_randaugment, {"strength": -1}, "strength=-1"),
        (stacked_randaugment, {"blur_probability": 2}, "blur_probability=2"),
        (resize_then_crop, {"padding": -1}, "`padding` .*>= 0.*padding=-1"),
    ],
)
def test_wrong_options_are_refused_in_one_line(pipeline, options, message):
    with pytest.raises(ValueError, match=message) as error:
        pipeline(random_images(4, 8, 8), seeds_of(4), 8, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("pipeline", [autoaugment, randaugment])
def test_a_policy_refuses_channels_that_are_no_colours(pipeline):
    with pytest.raises(ValueError, match=r"1 or 3 channels.*channels=2"):
        pipeline(random_images(4, 8, 8, 2), seeds_of(4), 8)
