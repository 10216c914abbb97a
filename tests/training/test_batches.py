import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.recipes import RECIPES
from supcon_tf.training.batches import distributed, views_of

CONFIG = dataclasses.replace(RECIPES["digits"], batch_size=32, max_samples=100)


@pytest.mark.slow
def test_the_views_are_those_of_the_config_and_go_on_at_an_epoch():
    views, num_images, num_classes = views_of(CONFIG)
    assert (num_images, num_classes) == (100, 10)
    first, later = views(), views(first_epoch=1)
    assert first.element_spec[0].shape[1:] == (2, 8, 8, 3)
    images = [next(iter(data))[0].numpy() for data in (first, later)]
    assert not np.array_equal(*images)
    whole = [batch.numpy() for batch, _ in first.take(4)]  # three an epoch
    np.testing.assert_array_equal(whole[3], images[1])


def test_what_views_cannot_do_is_refused():
    views, *_ = views_of(dataclasses.replace(CONFIG, batch_size=101))
    with pytest.raises(ValueError, match="`batch_size` must be at most"):
        views()


@pytest.mark.slow
def test_one_process_gets_the_views_without_an_end():
    views, *_ = views_of(CONFIG)
    steps = []

    def finished(data, first_step):
        steps.append(first_step)
        return data.take(1)

    data = distributed(
        views(), views, finished, 32, 7, tf.distribute.get_strategy()
    )
    assert data.cardinality() == tf.data.INFINITE_CARDINALITY
    assert steps == [7]


def test_label_noise_and_balance_are_those_of_the_config():
    noisy = dataclasses.replace(CONFIG, label_noise=0.9)
    labels = []
    for config in (CONFIG, noisy):
        views, *_ = views_of(config)
        batches = views().take(3).as_numpy_iterator()
        labels.append(np.concatenate([labels for _, labels in batches]))
    assert np.mean(labels[0] != labels[1]) > 0.5
    balanced = dataclasses.replace(
        CONFIG, max_samples=None, samples_per_class=4
    )
    views, *_ = views_of(balanced)
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
    views, *_ = views_of(config)
    x, _ = next(iter(views()))
    assert x["views"].shape == (32, 2, 8, 8, 3)
    assert x["small_views"].shape == (32, 3, 4, 4, 3)
    if augmentation == "center_crop":  # has no area of crops
        return
    config = dataclasses.replace(config, small_crop_area=(0.5, 1.0))
    views, *_ = views_of(config)
    other, _ = next(iter(views()))
    np.testing.assert_array_equal(x["views"], other["views"])
    assert not np.array_equal(x["small_views"], other["small_views"])
