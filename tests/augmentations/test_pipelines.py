import numpy as np
import pytest
import tensorflow as tf
from seeded_images import (
    ROUNDING,
    assert_same_views,
    is_within_binomial_bound,
    random_images,
    seeds_of,
)

from supcon_tf.augmentations import (
    autoaugment,
    color,
    crop_flip,
    randaugment,
    simclr,
    spatial,
    stacked_randaugment,
)
from supcon_tf.augmentations.planes import to_images, uniform
from supcon_tf.augmentations.policies import random_operations


@pytest.mark.slow
@pytest.mark.parametrize(
    "pipeline", [simclr, autoaugment, randaugment, stacked_randaugment]
)
def test_pipelines_with_colours_take_grey_images(pipeline):
    views = pipeline(random_images(16, 40, 40, 1), seeds_of(16), 40).numpy()
    assert views.shape == (16, 40, 40, 1)
    assert views.min() >= 0 and views.max() <= 1


# SimCLR as a whole


@pytest.mark.slow
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
    kept = uniform(seeds, "grayscale", 1).numpy()[:, 0] >= 0.2
    views = simclr(images, seeds, 16, strength=0).numpy()
    expected = crop_flip(images, seeds, 16).numpy()
    np.testing.assert_allclose(views[kept], expected[kept], atol=ROUNDING)


# AutoAugment, RandAugment, stacked RandAugment as a whole


@pytest.mark.slow
def test_autoaugment_takes_its_policy_from_the_size():
    images, seeds = random_images(16, 40, 40), seeds_of(16)
    for size, policy in [(32, "cifar10"), (33, "imagenet")]:
        views = autoaugment(images, seeds, size).numpy()
        for other in ["imagenet", "cifar10", "v0"]:
            changed = autoaugment(images, seeds, size, policy=other)
            assert (np.abs(views - changed).max() == 0) == (policy == other)


@pytest.mark.slow
@pytest.mark.parametrize(
    "pipeline, name, operation",
    [
        (autoaugment, "autoaugment", random_operations.random_autoaugment),
        (randaugment, "randaugment", random_operations.random_randaugment),
    ],
)
def test_a_policy_follows_crop_and_flip(pipeline, name, operation):
    images, seeds = random_images(32, 60, 60), seeds_of(32)
    cropped = crop_flip(images, seeds, 48, area=(0.3, 0.9))
    expected = operation(tf.transpose(cropped, [0, 3, 1, 2]), seeds)
    views = pipeline(images, seeds, 48, area=(0.3, 0.9))
    assert_same_views(name, views, to_images(expected))


@pytest.mark.slow
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


@pytest.mark.slow
def test_stacked_randaugment_jitters_before_and_greys_and_blurs_after():
    images, seeds = random_images(32, 50, 50), seeds_of(32)
    planes = tf.transpose(crop_flip(images, seeds, 40), [0, 3, 1, 2])
    planes = color.random_color_jitter(planes, seeds)
    planes = random_operations.random_randaugment(planes, seeds)
    planes = color.random_grayscale(planes, seeds)
    planes = spatial.random_blur(planes, seeds)
    views = stacked_randaugment(images, seeds, 40)
    # A blur spreads a value that was rounded to the other side.
    differences = np.abs(views - to_images(planes))
    assert differences.mean() < 1e-4 and differences.max() < 0.1


# Errors


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
