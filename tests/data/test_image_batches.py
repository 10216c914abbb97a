import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from labelled_sources import (
    NUM_IMAGES,
    SOURCES,
    arrays,
    as_dataset,
    as_jpeg,
    identity,
    larger_arrays,
)
from often import often

from supcon_tf import augmentations
from supcon_tf.data.image_batches import image_batches

X = np.random.default_rng(0).random((4, 4, 4, 3)).astype("float32")


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOURCES)
def test_image_batches_are_one_pass_in_order(kind):
    images, labels = arrays()
    passed = list(
        image_batches(SOURCES[kind](images, labels), image_size=4, batch_size=9)
    )
    assert [len(x) for x, _ in passed] == [9, 9, 5]
    x = np.concatenate([x for x, _ in passed])
    np.testing.assert_array_equal(identity(x), np.arange(NUM_IMAGES))
    np.testing.assert_array_equal(
        np.concatenate([y for _, y in passed]), labels
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", often(["arrays", "uneven_dataset", "jpeg"], "jpeg")
)
def test_image_batches_may_be_cropped_in_another_way(kind):
    sources = {**SOURCES, "jpeg": as_jpeg}
    source = sources[kind](*larger_arrays())
    crop = functools.partial(augmentations.resize_then_crop, padding=4)
    (images, labels) = next(
        iter(image_batches(source, image_size=12, augmentation=crop))
    )
    expected = crop(larger_arrays()[0], None, 12)
    np.testing.assert_allclose(images, expected, atol=2 / 255)
    np.testing.assert_array_equal(labels, larger_arrays()[1])


def test_image_batches_refuse_what_has_no_labels_or_no_end():
    images, labels = arrays()
    with pytest.raises(ValueError, match="labels=None"):
        image_batches((images, None), image_size=4)
    with pytest.raises(ValueError, match=r"leave out .repeat\(\)"):
        image_batches(as_dataset(images, labels).repeat(), image_size=4)


def test_image_batches_keep_the_size_if_none_is_given():
    (x, _) = next(iter(image_batches(arrays(size=6), image_size=None)))
    assert x.shape == (NUM_IMAGES, 6, 6, 3)


def test_image_files_need_an_image_size():
    with pytest.raises(ValueError, match="Received: image_size=None"):
        image_batches(as_jpeg(*larger_arrays()), image_size=None)


def test_an_augmentation_that_evaluation_has_not_is_refused():
    for augmentation, message in (
        ("simclr", "takes 'center_crop'"),
        (keras.Sequential([keras.layers.RandomFlip()]), "is a Keras layer"),
        (
            lambda images, seeds, size: tf.reshape(images, [-1]),
            "which returned",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            image_batches(
                (X, np.arange(4)), image_size=4, augmentation=augmentation
            )
