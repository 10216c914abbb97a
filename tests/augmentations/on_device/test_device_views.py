import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from seeded_images import random_images

from supcon_tf import (
    DeviceViews,
    LabelledImages,
    augmentations,
    view_batches,
)
from supcon_tf.data.views import numbered_batches

IMAGES = random_images(12, 10, 9)
LABELS = np.arange(12) % 3


def some_views(name="crop_flip", **more):
    return DeviceViews(name, num_views=2, image_size=8, seed=5, **more)


@pytest.mark.slow
def test_a_view_depends_on_seed_and_number_alone():
    views = some_views("simclr")
    all_views = np.asarray(views(IMAGES, np.arange(12)))
    rows = [7, 2]
    np.testing.assert_allclose(
        views(IMAGES[rows], np.array(rows, np.int32)),
        all_views[rows],
        atol=1e-6,
    )
    again = DeviceViews.from_config(views.get_config())
    np.testing.assert_array_equal(again(IMAGES, np.arange(12)), all_views)
    for other in (
        views(IMAGES, np.arange(12) + 1),
        DeviceViews("simclr", num_views=2, image_size=8, seed=6)(
            IMAGES, np.arange(12)
        ),
        all_views[:, ::-1],
    ):
        distance = np.abs(other - all_views).mean(axis=(1, 2, 3, 4))
        assert distance.min() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        {"small_views": 3, "small_view_size": 4},
        pytest.param({}, marks=pytest.mark.release),
    ],
)
def test_the_views_of_a_stream_are_those_of_view_batches(more):
    area = {"small_crop_area": (0.1, 0.3)} if more else {}
    arguments = {"batch_size": 4, "seed": 5, "first_epoch": 3}
    on_host = view_batches(
        (IMAGES, LABELS),
        augmentations.crop_flip,
        num_views=2,
        image_size=8,
        **arguments,
        **more,
        **area,
    )
    numbered = numbered_batches((IMAGES, LABELS), **arguments)
    views = some_views(**more, **area)
    batches = zip(on_host.take(4), numbered.take(4), strict=True)
    for (expected, labels), (x, same_labels) in batches:
        np.testing.assert_array_equal(same_labels, labels)
        made = views(**x)
        tf.nest.assert_same_structure(made, expected)
        for a, b in zip(
            tf.nest.flatten(made), tf.nest.flatten(expected), strict=True
        ):
            np.testing.assert_allclose(a, b, atol=0.2 / 255)


def test_shapes_are_told_before_there_are_images():
    views = some_views(small_views=1, small_view_size=(4, 6))
    shapes = views.shape_of((12, 10, 9, 3))
    made = views(IMAGES, np.arange(12))
    assert {name: tuple(x.shape) for name, x in made.items()} == shapes


def test_no_gradient_flows_through_views():
    images = tf.constant(IMAGES / np.float32(255))
    with tf.GradientTape() as tape:
        tape.watch(images)
        loss = ops.sum(some_views()(images, np.arange(12)))
    assert tape.gradient(loss, images) is None


@pytest.mark.parametrize(
    "policy",
    ["mixed_bfloat16", pytest.param("float64", marks=pytest.mark.release)],
)
def test_views_are_float32_under_every_policy(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        made = some_views("simclr")(IMAGES, np.arange(12))
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(made.dtype) == "float32"


@pytest.mark.release
def test_a_graph_needs_no_known_batch():
    views = some_views()
    spec = tf.TensorSpec([None, 10, 9, 3], tf.uint8)
    made = tf.function(lambda images: views(images, tf.range(12)), [spec])
    np.testing.assert_allclose(
        made(IMAGES), views(IMAGES, np.arange(12)), atol=1e-6
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"augmentation": "autoaugment"},
            "center_crop, crop, crop_flip, resize_then_crop, simclr",
        ),
        ({"num_views": 0}, "num_views"),
        ({"image_size": 0}, "image_size"),
        ({"seed": "x"}, "`seed` must be an int"),
        ({"strength": 3.0}, "strength"),
        ({"blur_probability": 2}, "blur_probability"),
        ({"augmentation": "resize_then_crop", "padding": -1}, "padding"),
        (
            {
                "small_views": 1,
                "small_view_size": 4,
                "small_crop_area": (0, 1),
            },
            "area",
        ),
        ({"area": (0.5, 0.1)}, "area"),
        ({"magnitude": 3}, "options of simclr must be among"),
        ({"small_views": 2}, "small_view_size"),
    ],
)
def test_what_is_wrong_is_refused_before_a_step(arguments, message):
    right = {
        "augmentation": "simclr", "num_views": 2, "image_size": 8, "seed": 0
    }  # fmt: skip
    with pytest.raises(ValueError, match=message) as error:
        DeviceViews(**{**right, **arguments})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "images, message",
    [
        (IMAGES[0], "shape"),
        (IMAGES[..., :2], "1 or 3 channels"),
        (IMAGES.astype("int32"), "dtype=int32"),
    ],
)
def test_images_of_another_kind_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        some_views()(images, np.arange(len(images)))


def test_images_that_are_not_in_memory_have_no_views_on_the_device():
    files = LabelledImages(
        np.array([b"a", b"b"]), np.array([0, 1]), ("x", "y"), read=tf.identity
    )
    with pytest.raises(ValueError, match="must be of images in memory"):
        numbered_batches(files, batch_size=1, seed=0)
