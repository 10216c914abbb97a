"""The variants against loops straight from the equations."""

import numpy as np
import pytest
from equations import (
    LABELS,
    assert_slopes,
    random_projections,
    supcon_by_loops,
    value_and_gradient,
)
from pairwise import pairwise

from supcon_tf.losses.pairs import tiles
from supcon_tf.losses.supcon import supcon_loss


@pytest.mark.slow
@pytest.mark.parametrize(
    ("summation", "denominator", "anchors", "views", "options"),
    pairwise(
        summation=["outside", "inside"],
        denominator=["all", "one_positive", "only_negatives"],
        anchors=["all", "first"],
        views=[2, 1, 3],
        options=[
            {},
            {"scale_by_temperature": True},
            {"positives_cap": 0},
            {"positives_cap": 6},
            {"unlabeled_label": 0},
            {"labels": None},
            {"labels": None, "positives_mask": True},
            {"labels": None, "positives_mask": True, "positives_cap": 6},
            {"normalize": False, "temperature": 1.0},
            {"implementation": "tiled"},
            {"implementation": "tiled", "temperature": 0.02},
        ],
    ),
)
def test_every_variant_is_that_of_the_equations(
    monkeypatch, summation, denominator, anchors, views, options
):
    variant = {
        "summation": summation,
        "denominator": denominator,
        "anchors": anchors,
        "temperature": 0.3,
        "implementation": "dense",
        **options,
    }
    monkeypatch.setattr(tiles, "TILE_SIZE", 5)
    labels = variant.pop("labels", [0, 1, 0, 2, 0, 1])
    if "positives_mask" in variant:  # not symmetric: who cites whom
        variant["positives_mask"] = random_projections(6, 6, seed=1) > 0.5
    z = random_projections(6, views, 3)
    values, gradient = value_and_gradient(labels, z, **variant)
    del variant["implementation"]
    np.testing.assert_allclose(
        values, supcon_by_loops(labels, z, **variant), rtol=1e-12, atol=1e-14
    )
    assert_slopes(
        lambda z: supcon_by_loops(labels, z, **variant).sum(), z, gradient, 1e-7
    )


def test_unnormalised_vectors_of_unequal_length_lose_no_digits():
    z = random_projections(6, 4).astype("float32")
    z[0] *= 1e5
    variant = {"normalize": False, "temperature": 1e6}
    np.testing.assert_allclose(
        supcon_loss(LABELS, z, **variant),
        supcon_by_loops(LABELS, z, **variant),
        rtol=1e-6,
    )
