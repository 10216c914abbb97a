"""Alignment and uniformity: each part by itself."""

import numpy as np
import pytest
import tensorflow as tf
from equations import assert_slopes
from family import Z
from sheet import X2

from supcon_tf import AlignmentUniformityLoss


@pytest.mark.parametrize(
    ("weights", "value"),
    [
        ((1, 0), 0.277777778),
        # (the sheet's mean of both views)
        ((0, 1), -2.073863897),
        ((2, 3), 2 * 0.277777778 - 3 * 2.073863897),
    ],
)
@pytest.mark.parametrize("implementation", ["dense", "tiled"])
def test_the_parts_have_the_recorded_values(weights, value, implementation):
    loss = AlignmentUniformityLoss(
        weights=weights, implementation=implementation, dtype="float64"
    )
    np.testing.assert_allclose(loss(None, X2), value, atol=1e-8)


def test_the_power_of_the_alignment_is_that_of_the_distance():
    z = Z / np.linalg.norm(Z, axis=2, keepdims=True)
    loss = AlignmentUniformityLoss(1.0, weights=(1, 0), dtype="float64")
    distances = np.linalg.norm(z[:, 0] - z[:, 1], axis=1)
    np.testing.assert_allclose(loss(None, Z), distances.mean(), rtol=1e-12)
    x = tf.constant(Z)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(None, x)
    assert_slopes(
        lambda z: float(loss(None, z)),
        Z,
        tape.gradient(value, x).numpy(),
        atol=1e-8,
    )


@pytest.mark.parametrize(
    "options", [{"alpha": 0}, {"t": 0}, {"weights": (1,)}, {"weights": (1, -1)}]
)
def test_a_setting_outside_of_its_range_is_refused(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
        AlignmentUniformityLoss(**options)
