"""What is true of each augmentation of the table."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from often import often
from seeded_images import (
    assert_same_views,
    named_augmentations,
    random_images,
    seeds_of,
)

from supcon_tf.augmentations import AUGMENTATIONS

RANDOM = [
    "simclr",
    "autoaugment",
    "randaugment",
    "stacked_randaugment",
    "crop_flip",
    "crop",
]


# Determinism


@pytest.mark.slow
@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("size", often([(16, 24), (40, 34)], (40, 34)))
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


@pytest.mark.slow
@pytest.mark.parametrize("name", named_augmentations())
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


@pytest.mark.slow
@pytest.mark.parametrize("name", RANDOM)
def test_each_image_draws_its_own_view(name):
    images = np.repeat(random_images(1, 64, 64), 64, axis=0)
    views = AUGMENTATIONS[name](images, seeds_of(64), 32).numpy()
    # Windows are whole pixels: two of 64 may be the same by chance.
    assert len(np.unique(views.reshape(64, -1), axis=0)) >= 62


@pytest.mark.slow
@pytest.mark.parametrize("name", named_augmentations())
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


@pytest.mark.slow
def test_a_batch_of_none_gives_views_of_none():
    for pipeline in AUGMENTATIONS.values():
        views = pipeline(random_images(0, 36, 36), seeds_of(0), 40)
        assert views.shape == (0, 40, 40, 3)


# Range and dtype


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dtype"),
    zip(
        AUGMENTATIONS,
        itertools.cycle(["uint8", "float16", "float32", "float64"]),
    ),
)
def test_views_are_float32_in_0_1(name, dtype):
    images = random_images(32, 34, 34)
    images[:8] = 255
    images[8:16] = 0
    if dtype != "uint8":
        images = (images / 255).astype(dtype)
    views = AUGMENTATIONS[name](images, seeds_of(32), 36).numpy()
    assert views.dtype == np.float32 and views.shape == (32, 36, 36, 3)
    assert views.min() >= 0 and views.max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_bytes_and_floats_give_the_same_view(name):
    images = random_images(8, 34, 34)
    assert_same_views(
        name,
        AUGMENTATIONS[name](images, seeds_of(8), 32),
        AUGMENTATIONS[name](images / 255.0, seeds_of(8), 32),
    )


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
