import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from supcon_tf.augmentations.planes import to_images, to_planes, uniform
from supcon_tf.augmentations.policies import random_operations
from supcon_tf.augmentations.policies.tables import POLICIES

GRAY = (128, 128, 128)


def images(count, height=24, width=30, channels=3):
    numbers = np.random.default_rng(0)
    shape = (count, height, width, channels)
    noise = numbers.integers(0, 120, shape, dtype=np.uint8)
    ramp = np.linspace(0, 130, width).astype(np.uint8)
    return noise + ramp[:, None]


def seeds_of(count, first=3):
    return np.stack([np.full(count, first), np.arange(count)], axis=1)


def changed(operation, stack, seeds, **options):
    """8-bit images before and after."""
    planes = operation(to_planes(stack), seeds, **options)
    values = 255 * to_images(planes).numpy()
    np.testing.assert_allclose(values, np.round(values), atol=1e-4)
    return np.round(values).astype(np.uint8)


def affine(image, *matrix):
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, fillcolor=GRAY
    )


def pillow_operation(name, image, level, sign, row, column):
    """The Model Garden's operation on a Pillow image."""
    width, height = image.size
    signed = (-1 if sign < 0.5 else 1) * level / 10
    factor = level / 10 * 1.8 + 0.1
    if name == "auto_contrast":
        return ImageOps.autocontrast(image)
    if name == "equalize":
        return ImageOps.equalize(image)
    if name == "invert":
        return ImageOps.invert(image)
    if name == "posterize":
        return ImageOps.posterize(image, min(max(int(level / 10 * 4), 1), 8))
    if name == "solarize":
        return ImageOps.solarize(image, int(level / 10 * 256))
    if name == "solarize_add":
        addition = int(level / 10 * 110)
        table = [min(x + addition, 255) if x < 128 else x for x in range(256)]
        return image.point(table * 3)
    if name == "color":
        return ImageEnhance.Color(image).enhance(factor)
    if name == "contrast":
        return ImageEnhance.Contrast(image).enhance(factor)
    if name == "brightness":
        return ImageEnhance.Brightness(image).enhance(factor)
    if name == "sharpness":
        return ImageEnhance.Sharpness(image).enhance(factor)
    if name == "shear_x":
        return affine(image, 1, 0.3 * signed, 0, 0, 1, 0)
    if name == "shear_y":
        return affine(image, 1, 0, 0, 0.3 * signed, 1, 0)
    if name == "translate_x":
        return affine(image, 1, 0, 0.45 * width * signed, 0, 1, 0)
    if name == "translate_y":
        return affine(image, 1, 0, 0, 0, 1, 0.45 * height * signed)
    if name == "rotate":
        return image.rotate(30 * signed, fillcolor=GRAY)
    if name == "cutout":
        half = round(level / 10 * 40 / 224 * min(width, height))
        y, x = int(row * height), int(column * width)
        left, top = max(x - half, 0), max(y - half, 0)
        image.paste(GRAY, (left, top, x + half, y + half))
        return image
    assert name == "identity"
    return image


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
def test_autoaugment_applies_its_table_with_pillows_operations(policy):
    count = 300
    stack, seeds = images(count), seeds_of(count)
    draws = uniform(seeds, "autoaugment", 9).numpy()
    expected = []
    for image, row in zip(stack, draws, strict=True):
        image = Image.fromarray(image)
        pair = POLICIES[policy][int(row[0] * 25)]
        for (name, probability, level), (chance, *rest) in zip(
            pair, [row[1:5], row[5:9]], strict=True
        ):
            if chance < probability:
                image = pillow_operation(name, image, level, *rest)
        expected.append(np.asarray(image))
    results = changed(
        random_operations.random_autoaugment, stack, seeds, policy=policy
    )
    np.testing.assert_array_equal(results, expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{}, {"magnitude": 4.5, "num_layers": 1}, {"magnitude": 28}]
)
def test_randaugment_applies_its_list_with_pillows_operations(options):
    count = 300
    stack, seeds = images(count), seeds_of(count)
    layers = options.get("num_layers", 2)
    draws = uniform(seeds, "randaugment", 4 * layers).numpy()
    names = list(random_operations.OPERATIONS)
    expected = []
    for image, row in zip(stack, draws.reshape(count, layers, 4), strict=True):
        image = Image.fromarray(image)
        for choice, *rest in row:
            name = names[int(choice * len(names))]
            level = options.get("magnitude", 10)
            image = pillow_operation(name, image, level, *rest)
        expected.append(np.asarray(image))
    results = changed(
        random_operations.random_randaugment, stack, seeds, **options
    )
    np.testing.assert_array_equal(results, expected)


def test_each_operation_of_randaugment_is_as_frequent_as_the_others():
    count = 4000
    draws = uniform(seeds_of(count), "randaugment", 1).numpy()[:, 0]
    counts = np.bincount(np.int32(draws * 17), minlength=17)
    assert len(counts) == len(random_operations.OPERATIONS) == 17
    chi_square = np.sum((counts - count / 17) ** 2 / (count / 17))
    assert chi_square < 16 + 4.5 * np.sqrt(2 * 16)


def test_the_tables_have_25_pairs_of_known_operations():
    for table in POLICIES.values():
        assert len(table) == 25
        for pair in table:
            assert len(pair) == 2
            for name, probability, level in pair:
                assert name in random_operations.OPERATIONS
                assert probability in {i / 10 for i in range(11)}
                assert level in range(11)


def test_only_the_table_of_the_model_garden_adds_to_solarize():
    def names(policy):
        return {name for pair in POLICIES[policy] for name, *_ in pair}

    assert names("imagenet") == {
        "posterize", "rotate", "solarize", "auto_contrast", "equalize",
        "invert", "color", "contrast", "sharpness", "shear_x",
    }  # fmt: skip
    assert names("cifar10") == {
        "invert", "contrast", "rotate", "translate_x", "sharpness", "shear_y",
        "translate_y", "auto_contrast", "equalize", "posterize", "color",
        "brightness", "solarize",
    }  # fmt: skip
    assert "solarize_add" in names("v0")


@pytest.mark.slow
@pytest.mark.parametrize(
    "operation",
    [
        random_operations.random_autoaugment,
        pytest.param(
            random_operations.random_randaugment, marks=pytest.mark.release
        ),
    ],
)
def test_the_same_seed_gives_the_same_pixels_in_any_batch(operation):
    stack, seeds = images(40), seeds_of(40)
    expected = changed(operation, stack, seeds)
    order = np.random.default_rng(1).permutation(40)
    shuffled = changed(operation, stack[order], seeds[order])
    np.testing.assert_array_equal(shuffled, expected[order])
    half = changed(tf.function(operation), stack[:3], seeds[:3])
    np.testing.assert_array_equal(half, expected[:3])
    others = changed(operation, stack, seeds_of(40, first=4))
    assert (others != expected).any(axis=(1, 2, 3)).mean() > 0.7


@pytest.mark.slow
def test_values_are_rounded_to_8_bits():
    planes = np.full([1, 3, 2, 2], 100.4 / 255, np.float32)
    planes[0, 0] = [[100.5 / 255, 100.6 / 255], [0, 1]]
    seeds = seeds_of(200)
    rounded = np.full([3, 2, 2], 100)
    rounded[0] = [[101, 101], [0, 255]]
    stayed = [
        random_operations.random_randaugment(
            planes, seeds[i : i + 1], num_layers=1
        ).numpy()[0]
        for i in np.flatnonzero(
            uniform(seeds, "randaugment", 1).numpy()[:, 0] < 1 / 17
        )
    ]
    assert stayed
    np.testing.assert_allclose(255 * stayed[0], rounded, atol=1e-4)
