"""From the losses of images to one number."""

import numpy as np
import pytest

from supcon_tf.losses.reduction import reduced

LOSSES = np.array([1.0, 2.0, 6.0], "float32")
WEIGHTS = np.array([1.0, 0.0, 0.5], "float32")


@pytest.mark.parametrize(
    ("reduction", "plain", "weighted"),
    [
        ("sum", 9.0, 4.0),
        ("sum_over_batch_size", 3.0, 4 / 3),
        ("mean_with_sample_weight", 3.0, 4 / 1.5),
    ],
)
def test_the_reductions_are_those_of_keras(reduction, plain, weighted):
    assert float(reduced(LOSSES, None, reduction)) == plain
    result = float(reduced(LOSSES, WEIGHTS, reduction))
    np.testing.assert_allclose(result, weighted, rtol=1e-6)
    column = float(reduced(LOSSES, WEIGHTS[:, None], reduction))
    assert column == result


def test_without_a_reduction_each_image_has_its_loss():
    np.testing.assert_array_equal(
        reduced(LOSSES, WEIGHTS, "none"), LOSSES * WEIGHTS
    )


def test_a_mean_of_no_weights_is_0():
    zeros = np.zeros(3, "float32")
    assert float(reduced(LOSSES, zeros, "mean_with_sample_weight")) == 0


def test_weights_of_another_number_of_images_are_refused():
    with pytest.raises(ValueError, match="`sample_weight` must have shape"):
        reduced(LOSSES, WEIGHTS[:2], "sum")
