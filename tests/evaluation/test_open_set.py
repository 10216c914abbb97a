"""Images of no known class, by their nearest training images."""

import numpy as np
import pytest

from supcon_tf.evaluation.open_set import neighbor_distances, open_set_scores

RANDOM = np.random.default_rng(0)
TRAIN = RANDOM.normal(size=(20, 6))
KNOWN = TRAIN[:8] + 0.1 * RANDOM.normal(size=(8, 6))
UNKNOWN = RANDOM.normal(size=(9, 6))


@pytest.mark.parametrize("neighbors", [1, 3, 50])
def test_a_distance_is_the_mean_to_the_nearest_of_a_loop(neighbors):
    found = neighbor_distances(TRAIN, 7 * UNKNOWN, neighbors=neighbors)
    for x, distance in zip(UNKNOWN, found, strict=True):
        cosines = [x @ t / np.linalg.norm(x) / np.linalg.norm(t) for t in TRAIN]
        nearest = sorted(cosines, reverse=True)[:neighbors]
        assert distance == pytest.approx(1 - np.mean(nearest))


def test_copies_of_training_images_are_known_and_random_ones_less():
    scores = open_set_scores(TRAIN, KNOWN, UNKNOWN, neighbors=1)
    assert scores["auroc"] > 0.95
    assert scores["fpr_at_95_tpr"] < 0.2
    assert scores["neighbors"] == 1
    assert scores["num_unknown_images"] == 9
    swapped = open_set_scores(TRAIN, UNKNOWN, KNOWN, neighbors=1)
    assert swapped["auroc"] == pytest.approx(1 - scores["auroc"])
