"""Random images, a seed for each, and how near a view is to the expected."""

import numpy as np
from often import often

from supcon_tf.augmentations import AUGMENTATIONS
from supcon_tf.augmentations.planes import to_planes

# Positions near 40 pixels are multiples of 4e-6 in float32; weights inherit it.
ROUNDING = 1e-5


def random_images(count, height, width, channels=3, seed=0):
    numbers = np.random.default_rng(seed)
    return numbers.integers(
        0, 256, (count, height, width, channels), dtype=np.uint8
    )


def random_planes(count, height, width, channels=3, seed=0):
    return to_planes(random_images(count, height, width, channels, seed))


def seeds_of(count, first=7):
    return np.stack([np.full(count, first), np.arange(count)], axis=1)


def assert_same_views(name, views, expected):
    """Up to rounding; to 8 bits, too, in the pipelines with a policy."""
    if "autoaugment" in name or "randaugment" in name:
        # A value in 200 or fewer is rounded to the other side.
        differ = np.abs(np.asarray(views) - expected) > ROUNDING
        assert np.shape(views) == np.shape(expected) and differ.mean() < 0.005
    else:
        np.testing.assert_allclose(views, expected, atol=ROUNDING)


def is_within_binomial_bound(hits, probability):
    """4.5 standard deviations: a right rate fails once in 150,000 cases."""
    deviation = np.sqrt(probability * (1 - probability) / len(hits))
    return abs(np.mean(hits) - probability) < 4.5 * deviation


def named_augmentations():
    """The names in AUGMENTATIONS, as parameters of tests that trace them.

    Those of Pillow's operations take four to ten seconds to trace, and small
    crops are cut as others are: tests of a release have them, too.
    """
    return often(list(AUGMENTATIONS), "simclr", "crop_flip", "center_crop")
