"""The variants against loops straight from the equations."""

import itertools

import numpy as np
import pytest
from equations import (
    LABELS,
    numerical_gradient,
    random_projections,
    supcon_by_loops,
    value_and_gradient,
)

from supcon_tf.losses.supcon import supcon_loss


@pytest.mark.parametrize(
    ("summation", "denominator", "anchors"),
    list(
        itertools.product(
            ["outside", "inside"],
            ["all", "one_positive", "only_negatives"],
            ["all", "first"],
        )
    ),
)
@pytest.mark.parametrize(
    "views", [2, *(pytest.param(v, marks=pytest.mark.slow) for v in (1, 3))]
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale_by_temperature": True},
        {"positives_cap": 0},
        {"positives_cap": 6},
        {"unlabeled_label": 0},
        {"labels": None},
        {"labels": None, "positives_mask": True},
        {"labels": None, "positives_mask": True, "positives_cap": 6},
        {"normalize": False, "temperature": 1.0},
    ],
    ids=str,
)
def test_every_variant_is_that_of_the_equations(
    summation, denominator, anchors, views, options
):
    variant = {
        "summation": summation,
        "denominator": denominator,
        "anchors": anchors,
        "temperature": 0.3,
        **options,
    }
    labels = variant.pop("labels", [0, 1, 0, 2, 0, 1])
    if "positives_mask" in variant:  # not symmetric: who cites whom
        variant["positives_mask"] = random_projections(6, 6, seed=1) > 0.5
    z = random_projections(6, views, 3)
    values, gradient = value_and_gradient(labels, z, **variant)
    np.testing.assert_allclose(
        values, supcon_by_loops(labels, z, **variant), rtol=1e-12, atol=1e-14
    )
    expected = numerical_gradient(
        lambda z: supcon_by_loops(labels, z, **variant).sum(), z
    )
    np.testing.assert_allclose(gradient, expected, atol=2e-7)


def test_unnormalised_vectors_of_unequal_length_lose_no_digits():
    z = random_projections(6, 4).astype("float32")
    z[0] *= 1e5
    variant = {"normalize": False, "temperature": 1e6}
    np.testing.assert_allclose(
        supcon_loss(LABELS, z, **variant),
        supcon_by_loops(LABELS, z, **variant),
        rtol=1e-6,
    )
