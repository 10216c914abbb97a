import zlib

import numpy as np
import pytest
import tensorflow as tf
from seeded_images import seeds_of

from supcon_tf.augmentations.planes import uniform


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
    drawn = tf.function(uniform)(
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
    draws = uniform(seeds_of(20_000), "x", 4).numpy()
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
    draws = uniform(seeds, "x", 1).numpy()[:, 0]
    correlation = np.corrcoef(draws[:-1], draws[1:])[0, 1]
    assert abs(correlation) < 4.5 / np.sqrt(n)
    assert len(np.unique(draws)) > 0.99 * n


def test_draws_of_one_seed_are_independent_of_each_other():
    n = 20_000
    draws = np.concatenate(
        [
            uniform(seeds_of(n), "x", 3).numpy(),
            uniform(seeds_of(n), "y", 3).numpy(),
            uniform(seeds_of(n)[:, ::-1], "x", 2).numpy(),
        ],
        axis=1,
    )
    correlations = np.corrcoef(draws, rowvar=False) - np.eye(8)
    assert np.abs(correlations).max() < 4.5 / np.sqrt(n)


def test_int32_and_int64_seeds_draw_the_same():
    seeds = np.array([[1, -2], [2**31 - 1, -(2**31)]])
    np.testing.assert_array_equal(
        uniform(tf.constant(seeds, tf.int32), "x", 3),
        uniform(tf.constant(seeds, tf.int64), "x", 3),
    )


def test_more_draws_start_with_the_same_draws():
    np.testing.assert_array_equal(
        uniform(seeds_of(5), "x", 3),
        uniform(seeds_of(5), "x", 7)[:, :3],
    )
