"""The random numbers of an image, against those of the host and of Python."""

import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.augmentations import planes
from supcon_tf.augmentations.on_device.random_numbers import (
    as_words,
    seeds_of_views,
    uniform,
)


def integers(*shape):
    return np.random.default_rng(0).integers(-(2**63), 2**63 - 1, shape)


@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_the_numbers_are_those_of_the_host_to_the_last_bit(dtype):
    seeds = integers(50, 2)
    seeds[:5] = [[0, 0], [0, 1], [-1, 5], [7, 2**31], [2**32, -(2**31)]]
    seeds = seeds.astype(dtype)
    np.testing.assert_array_equal(
        uniform(as_words(seeds), "crop", 22), planes.uniform(seeds, "crop", 22)
    )


@pytest.mark.parametrize("is_small", [False, True])
def test_the_seeds_of_views_are_those_of_view_batches(is_small):
    numbers = np.array([0, 1, 5, 2**31 + 3, 2**40])
    seed = -7
    places = (numbers[:, None] * 3 + np.arange(3)).reshape(-1)
    expected = np.stack(
        [np.full(15, seed), -1 - places if is_small else places], axis=1
    )
    np.testing.assert_array_equal(
        seeds_of_views(seed, numbers, 3, is_small=is_small), as_words(expected)
    )


@pytest.mark.slow
def test_xla_draws_what_is_drawn_eagerly():
    words = as_words(integers(20, 2))
    compiled = tf.function(lambda w: uniform(w, "flip", 3), jit_compile=True)
    np.testing.assert_array_equal(compiled(words), uniform(words, "flip", 3))
