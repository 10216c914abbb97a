"""The numbers of the papers, and what is refused in their place."""

import math

import numpy as np
import pytest

from supcon_tf.augmentations import presets


def test_the_numbers_are_those_of_the_papers():
    # Szegedy et al. 2015; SimCLR, appendix A; torchvision; ITU-R 601.
    assert presets.CROP_RATIO == (0.75, 4 / 3)
    assert presets.CROP_ATTEMPTS == 10
    assert presets.FLIP_PROBABILITY == 0.5
    assert presets.JITTER_PROBABILITY == 0.8
    assert presets.GRAYSCALE_PROBABILITY == 0.2
    assert presets.BLUR_SIGMA == (0.1, 2.0)
    assert presets.GRAY == (0.299, 0.587, 0.114)


@pytest.mark.parametrize(
    ("size", "area", "strength", "blur", "padding"),
    [
        ((32, 32), (0.2, 1), 0.5, 0, 0),  # CIFAR, up to 32 pixels
        ((32, 33), (0.08, 1), 1, 0.5, 32),  # ImageNet, by the longer side
        ((224, 224), (0.08, 1), 1, 0.5, 32),
    ],
)
def test_none_is_the_preset_of_the_size(size, area, strength, blur, padding):
    assert presets.crop_area(None, size) == area
    assert presets.jitter_strength(None, size) == strength
    assert presets.blur_share(None, size) == blur
    assert presets.evaluation_padding(None, size) == padding


def test_a_zero_that_is_given_is_not_replaced_by_a_preset():
    assert presets.jitter_strength(0.0, (224, 224)) == 0
    assert presets.blur_share(0.0, (224, 224)) == 0
    assert presets.evaluation_padding(0, (224, 224)) == 0


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 2.5])
def test_the_ranges_of_the_jitter_are_those_of_simclr(strength):
    low, high, added, turn = presets.jitter_ranges(strength)
    np.testing.assert_allclose(
        (low, high), (max(0, 1 - 0.8 * strength), 1 + 0.8 * strength)
    )
    np.testing.assert_allclose((added, turn), (0.8 * strength, 0.2 * strength))


@pytest.mark.parametrize("side", [*range(1, 100), 224, 299])
def test_the_kernel_of_the_blur_is_odd_and_a_tenth_of_the_side(side):
    taps = 2 * presets.blur_radius((side, side + 7)) + 1
    assert abs(taps - side / 10) <= 1
    assert taps % 2 == 1


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (presets.checked_size, (0,), "image_size"),
        (presets.checked_size, (32.0,), "image_size"),
        (presets.checked_size, ((32, 32, 3),), "image_size"),
        (presets.crop_area, ((0.0, 1.0), (32, 32)), "area"),
        (presets.crop_area, ((0.5, 0.4), (32, 32)), "area"),
        (presets.crop_area, ((0.5, 1.1), (32, 32)), "area"),
        (presets.crop_area, ((0.5, math.nan), (32, 32)), "area"),
        (presets.crop_area, (0.5, (32, 32)), "area"),
        (presets.jitter_ranges, (2.51,), "strength"),
        (presets.jitter_ranges, (math.nan,), "strength"),
        (presets.blur_share, (1.1, (32, 32)), "blur_probability"),
        (presets.evaluation_padding, (-1, (32, 32)), "padding"),
    ],
)
def test_what_is_out_of_range_is_refused_in_one_line(function, arguments, name):
    with pytest.raises(ValueError, match=f"^`{name}` must be ") as error:
        function(*arguments)
    assert "\n" not in str(error.value)
    assert f"Received: {name}={arguments[0]}" in str(error.value)
