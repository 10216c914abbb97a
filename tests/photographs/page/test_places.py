"""Representations in two dimensions."""

import numpy as np
import pytest

from supcon_tf.evaluation.retrieval import retrieval_scores
from supcon_tf.photographs.page.places import places_on_maps

LABELS = np.arange(60) % 3
RANDOM = np.random.default_rng(0)
# Three directions, far apart, whose lengths say nothing.
X = 5 * np.eye(8)[LABELS] + RANDOM.normal(size=(60, 8))
X *= RANDOM.uniform(0.1, 10, size=(60, 1))


@pytest.mark.slow
def test_near_images_are_near_on_both_maps():
    maps = places_on_maps(X)
    assert list(maps) == ["t-SNE", "PCA"]
    for name, places in maps.items():
        assert places.shape == (60, 2)
        # A neighbour on the map, seen from its middle, is of the class.
        x = places - places.mean(axis=0)
        assert retrieval_scores(x, LABELS)["precision_at_1"] > 0.95, name


def test_pca_has_the_directions_of_the_most_variance_first():
    places = places_on_maps(X[:9])["PCA"]
    x = X[:9] / np.linalg.norm(X[:9], axis=1, keepdims=True)
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(
        np.linalg.norm(places, axis=0), values[:2], rtol=1e-4
    )


@pytest.mark.slow
def test_the_same_seed_gives_the_same_map():
    for name, places in places_on_maps(X[:30], seed=3).items():
        np.testing.assert_array_equal(
            places, places_on_maps(X[:30], seed=3)[name]
        )


@pytest.mark.parametrize(
    ("x", "names"),
    [
        (np.ones((20, 4)), ["PCA"]),
        (np.zeros((20, 4)), ["PCA"]),
        (RANDOM.normal(size=(20, 1)), ["t-SNE", "PCA"]),
        (RANDOM.normal(size=(2, 5)), ["PCA"]),
    ],
    ids=["all_equal", "all_zero", "one_feature", "two_images"],
)
def test_what_has_no_two_directions_has_finite_places(x, names):
    maps = places_on_maps(x)
    assert list(maps) == names
    for places in maps.values():
        assert places.shape == (len(x), 2)
        assert np.isfinite(places).all()
