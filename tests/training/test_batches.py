import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.recipes import RECIPES
from supcon_tf.training.batches import (
    distributed,
    training_images,
    views_of,
    with_fitting_batch,
)

CONFIG = dataclasses.replace(RECIPES["digits"], batch_size=32, max_samples=100)


def made(config):
    """What makes the views of a config."""
    return views_of(config, training_images(config)[0])


@pytest.mark.slow
def test_the_views_are_those_of_the_config_and_go_on_at_an_epoch():
    images, watched, _ = training_images(CONFIG)
    assert (len(images), watched) == (100, None)
    views = views_of(CONFIG, images)
    first, later = views(), views(first_epoch=1)
    assert first.element_spec[0].shape[1:] == (2, 8, 8, 3)
    images = [next(iter(data))[0].numpy() for data in (first, later)]
    assert not np.array_equal(*images)
    whole = [batch.numpy() for batch, _ in first.take(4)]  # three an epoch
    np.testing.assert_array_equal(whole[3], images[1])


def test_what_views_cannot_do_is_refused():
    views = made(dataclasses.replace(CONFIG, batch_size=101))
    with pytest.raises(ValueError, match="`batch_size` must be at most"):
        views()


@pytest.mark.slow
def test_one_process_gets_the_views_without_an_end():
    views = made(CONFIG)
    steps = []

    def finished(data, first_step):
        steps.append(first_step)
        return data.take(1)

    data = distributed(
        views(), views, finished, 32, 7, tf.distribute.get_strategy()
    )
    assert data.cardinality() == tf.data.INFINITE_CARDINALITY
    assert steps == [7]


@pytest.mark.slow
def test_label_noise_and_balance_are_those_of_the_config():
    noisy = dataclasses.replace(CONFIG, label_noise=0.9)
    labels = []
    for config in (CONFIG, noisy):
        views = made(config)
        batches = views().take(3).as_numpy_iterator()
        labels.append(np.concatenate([labels for _, labels in batches]))
    assert np.mean(labels[0] != labels[1]) > 0.5
    balanced = dataclasses.replace(
        CONFIG, max_samples=None, samples_per_class=4
    )
    views = made(balanced)
    _, labels = next(views().as_numpy_iterator())
    assert sorted(np.bincount(labels, minlength=10))[2:] == [4] * 8


@pytest.mark.slow
@pytest.mark.parametrize("augmentation", ["crop", "center_crop"])
def test_small_views_are_those_of_the_config(augmentation):
    config = dataclasses.replace(
        CONFIG,
        augmentation=augmentation,
        crop_area=None,
        small_views=3,
        small_view_size=4,
    )
    views = made(config)
    x, _ = next(iter(views()))
    assert x["views"].shape == (32, 2, 8, 8, 3)
    assert x["small_views"].shape == (32, 3, 4, 4, 3)
    if augmentation == "center_crop":  # has no area of crops
        return
    config = dataclasses.replace(config, small_crop_area=(0.5, 1.0))
    views = made(config)
    other, _ = next(iter(views()))
    np.testing.assert_array_equal(x["views"], other["views"])
    assert not np.array_equal(x["small_views"], other["small_views"])


def images_of(*counts):
    """So many images of each class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    names = tuple("abcdefgh"[: len(counts)])
    return LabelledImages(np.zeros((len(labels), 8, 8, 3), "u1"), labels, names)


@pytest.mark.parametrize(
    ("counts", "each", "expected"),
    [
        ((50, 50, 50), None, (32, None)),
        ((5, 4, 3), None, (12, None)),
        ((50, 50, 50), 4, (12, 4)),  # three classes of four images
        ((50, 50, 3), 4, (9, 3)),
        ((50,), 4, (32, None)),  # one class alone has no negatives
    ],
)
def test_a_batch_is_what_few_images_can_fill(counts, each, expected):
    config = dataclasses.replace(
        CONFIG, few_images=True, batch_size=32, samples_per_class=each
    )
    fitting = with_fitting_batch(config, images_of(*counts))
    assert (fitting.batch_size, fitting.samples_per_class) == expected
    asked = dataclasses.replace(config, few_images=False)
    assert with_fitting_batch(asked, images_of(*counts)) == asked


def test_images_to_stop_by_are_of_each_class_and_not_trained_on():
    config = dataclasses.replace(CONFIG, max_samples=None, stop_fraction=0.1)
    images, watched, _ = training_images(config)
    assert (len(images), len(watched)) == (1293, 144)
    assert set(watched.labels) == set(range(10))
    rows = {image.tobytes() for image in images.images}
    assert not any(image.tobytes() in rows for image in watched.images)


@pytest.mark.parametrize(("size", "held_out"), [(100, 10), (30, 10), (15, 0)])
def test_few_images_to_stop_by_are_one_a_class_or_none(size, held_out):
    config = dataclasses.replace(
        CONFIG, max_samples=size, stop_fraction=0.02, few_images=True
    )
    images, watched, _ = training_images(config)
    assert len(watched or ()) == held_out
    assert len(images) == size - held_out


def test_photographs_of_more_pixels_are_not_trained_on(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for side in range(4, 10):
            Image.new("L", (side, side)).save(tmp_path / name / f"{side}.png")
    config = dataclasses.replace(
        RECIPES["folder"], data_dir=str(tmp_path), max_pixels=64
    )
    images, _, held_out = training_images(config)
    assert len(images) + len(held_out) == 10
    assert "cat/9.png" not in {*images.images, *held_out}
