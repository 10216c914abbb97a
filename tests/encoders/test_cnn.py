"""The plain convolutional network: its shapes, its size, what it refuses."""

import math

import numpy as np
import pytest

from supcon_tf.encoders import cnn


def parameters(width):
    """Counted by hand: convolutions without bias, gamma and beta for each."""
    a, b = int(64 * width), int(256 * width)
    patches = 2 * 2 * 3 * 24 + 24
    convolutions = 9 * (24 * a + a * a + a * b + b * b + b * b + b * b)
    return patches + convolutions + 2 * (2 * a + 4 * b)


@pytest.mark.parametrize("width", [1.0, 0.5, 1 / 64])
def test_the_width_multiplies_the_filters(width):
    encoder = cnn((32, 32, 3), width=width)
    trained = sum(math.prod(v.shape) for v in encoder.trainable_variables)
    assert trained == parameters(width)
    assert encoder.output_shape == (None, int(256 * width))


def test_each_group_halves_the_map_and_9_pixels_are_enough():
    encoder = cnn((32, 32, 3), width=0.125)
    sides = [
        encoder.get_layer(f"group{group}_relu2").output.shape[1]
        for group in (1, 2, 3)
    ]
    assert sides == [15, 7, 3]
    images = np.random.default_rng(0).random((2, 9, 9, 3), "float32")
    any_size = cnn((None, None, 3), width=0.125)
    assert np.isfinite(any_size(images)).all()


def test_it_normalises_with_what_it_is_given():
    images = np.full((1, 9, 9, 3), 0.25, "float32")
    encoder = cnn((9, 9, 3), mean=(0.25, 0.25, 0.25), std=(0.5, 0.5, 0.5))
    patches = encoder.get_layer("patches")
    assert not np.any(patches(encoder.get_layer("normalization")(images)))


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((32, 32, 1), {}, "`input_shape` must be"),
        ((32, 3), {}, "`input_shape` must be"),
        ((8, 32, 3), {}, "a height and a width of at least 9"),
        ((32, 32, 3), {"width": 1 / 65}, "`width` must be"),
        ((32, 32, 3), {"width": math.inf}, "`width` must be"),
        ((32, 32, 3), {"std": (0.0, 1.0, 1.0)}, "`std` must be"),
    ],
)
def test_what_is_out_of_range_is_refused_in_one_line(shape, options, words):
    with pytest.raises(ValueError, match=words) as error:
        cnn(shape, **options)
    assert "\n" not in str(error.value)
