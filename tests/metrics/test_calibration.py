"""Calibration error, beside a loop over bins and images."""

import numpy as np
import pytest

from supcon_tf.metrics import expected_calibration_error


def by_loop(labels, probabilities, bins):
    total = 0.0
    for low in range(bins):
        inside = [
            (max(row), float(np.argmax(row) == label))
            for label, row in zip(labels, probabilities, strict=True)
            if low / bins < max(row) <= (low + 1) / bins
        ]
        if inside:
            confidence, right = np.mean(inside, axis=0)
            total += len(inside) * abs(right - confidence)
    return total / len(labels)


@pytest.mark.parametrize("bins", [1, 7, 15])
@pytest.mark.parametrize("scale", [0.5, 3.0, 50.0])  # up to certainty
def test_it_is_that_of_a_loop(bins, scale):
    random = np.random.default_rng(bins)
    powers = np.exp(scale * random.normal(size=(60, 4)))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    labels = random.integers(0, 4, 60)
    error = expected_calibration_error(labels, probabilities, bins=bins)
    np.testing.assert_allclose(error, by_loop(labels, probabilities, bins))


def test_who_is_right_as_often_as_he_says_has_no_error():
    probabilities = np.tile([0.75, 0.25], (8, 1))
    labels = [0, 0, 0, 1] * 2
    assert expected_calibration_error(labels, probabilities) == 0
    assert expected_calibration_error([1, 1], np.eye(2)[[0, 0]]) == 1


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0], [[2.0, -1.0]], "take the softmax of logits"),
        ([0], [[0.3, 0.3]], "sums from 0.6 to 0.6"),
        ([0], [[np.nan, 1.0]], "take the softmax of logits"),
        ([0, 1], [[0.5, 0.5]], "shapes (1, 2) and (2,)"),
        ([], np.zeros((0, 2)), "of one or more images"),
    ],
)
def test_what_is_no_probability_is_refused(labels, probabilities, message):
    with pytest.raises(ValueError, match="must be") as error:
        expected_calibration_error(labels, probabilities)
    assert message in str(error.value)


def test_bins_must_be_some():
    with pytest.raises(ValueError, match="`bins` must be at least 1"):
        expected_calibration_error([0], [[1.0, 0.0]], bins=0)
