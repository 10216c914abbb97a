"""Similarities: their weights by loops, and sums without pairs."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from family import LEVELS, MIXED, PLACES, SETS, SHARES, TARGETS, Z

from supcon_tf.losses import similarities


def jaccard(a, b):
    index = np.minimum(a, b).sum() / max(np.maximum(a, b).sum(), 1e-9)
    return index if index >= 0.3 else 0


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def haversine(a, b):
    """By the angle of two vectors, in place of the half chords."""
    vectors = [
        (np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat))
        for lon, lat in np.radians([a, b])
    ]
    angle = np.arccos(np.clip(np.dot(*vectors), -1, 1))
    return np.exp(-6378.137 * angle / 200)


def mixed(a, b):
    share, own, other = a
    return share * (own == b[1]) + (1 - share) * (other == b[1])


CASES = {
    "Jaccard of sets": (similarities.Jaccard(0.3), SETS, jaccard),
    "Jaccard of numbers": (similarities.Jaccard(0.3), SHARES, jaccard),
    "Dot": (similarities.Dot(), SHARES, np.dot),
    "Cosine": (similarities.Cosine(), SHARES, cosine),
    "AffineCosine": (
        similarities.AffineCosine(),
        Z[:, 0],
        lambda a, b: (1 + cosine(a, b)) / 2,
    ),
    "GaussianKernel": (
        similarities.GaussianKernel(5.0),
        TARGETS,
        lambda a, b: np.exp(-((a - b) ** 2) / 50),
    ),
    "LaplaceKernel": (
        similarities.LaplaceKernel(5.0),
        PLACES,
        lambda a, b: np.exp(-np.abs(a - b).sum() / 5),
    ),
    "Within": (
        similarities.Within(5.0),
        TARGETS,
        lambda a, b: abs(a - b) <= 5,
    ),
    "Distance": (
        similarities.Distance(),
        TARGETS,
        lambda a, b: abs(a - b) + 1,
    ),
    "Haversine": (similarities.Haversine(200.0), PLACES, haversine),
    "SharedLevels": (
        similarities.SharedLevels([1.0, 3.0]),
        LEVELS,
        lambda a, b: np.dot([0.25, 0.75], a == b),
    ),
    "Mixed": (similarities.Mixed(), MIXED, mixed),
}


@pytest.mark.parametrize("case", list(CASES))
def test_the_weights_are_those_of_the_loop(case):
    similarity, labels, weight = CASES[case]
    features = similarity.features(labels)
    expected = [[weight(a, b) for b in labels] for a in labels]
    np.testing.assert_allclose(
        similarity.tile(features, features), expected, rtol=1e-6, atol=2e-7
    )
    config = keras.saving.serialize_keras_object(similarity)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == similarity.get_config()


@pytest.mark.parametrize("case", CASES)
def test_a_file_that_names_the_earlier_module_is_read(case):
    similarity, _, _ = CASES[case]
    config = keras.saving.serialize_keras_object(similarity)
    assert config["registered_name"] == f"supcon_tf>{type(similarity).__name__}"
    config["module"] = "supcon_tf.losses.similarities"  # one file until 0.1.0
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(similarity)
    assert again.get_config() == similarity.get_config()


@pytest.mark.parametrize(
    "case", [name for name in CASES if hasattr(CASES[name][0], "sums")]
)
def test_sums_without_pairs_are_those_of_the_pairs(case):
    similarity, labels, _ = CASES[case]
    features = similarity.features(labels)
    weights = np.array(similarity.tile(features, features), np.float64)
    values = np.random.default_rng(0).normal(size=(6, 2))
    np.testing.assert_allclose(
        similarity.sums(features, values), weights @ values, rtol=1e-6
    )
    np.testing.assert_allclose(
        similarity.own_weights(features)[:, 0], np.diag(weights), rtol=1e-6
    )


def test_the_distances_of_cities_are_those_of_pigeon():
    cities = np.array(
        [
            [2.3522, 48.8566],  # Paris, Brussels, Berlin, Amsterdam
            [4.3517, 50.8503],
            [13.4050, 52.5200],
            [4.9041, 52.3676],
        ]
    )
    similarity = similarities.Haversine(1000.0)
    places = similarity.features(cities)
    kilometres = -1000 * np.log(similarity.tile(places[:1], places))
    np.testing.assert_allclose(
        kilometres[0], [0, 264.2711, 878.4463, 430.3429], atol=1e-3
    )


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: similarities.Jaccard(1.5), "threshold"),
        (lambda: similarities.GaussianKernel(0), "width"),
        (lambda: similarities.LaplaceKernel(-1), "width"),
        (lambda: similarities.Within(-1), "width"),
        (lambda: similarities.Haversine(0), "km"),
        (lambda: similarities.SharedLevels([0, 0]), "weights"),
    ],
)
def test_a_setting_outside_of_its_range_is_refused(make, name):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        make()


@pytest.mark.parametrize(
    ("similarity", "labels"),
    [
        (similarities.Dot(), SHARES * 2),
        (similarities.Haversine(1.0), [[0.0, 91.0]]),
        (similarities.Haversine(1.0), [[0.0, 1.0, 2.0]]),
        (similarities.Mixed(), [[1.5, 0, 1]]),
        (similarities.Mixed(), [[0.5, 0]]),
        (similarities.SharedLevels([1, 1, 1]), LEVELS),
    ],
)
def test_labels_that_do_not_fit_are_refused(similarity, labels):
    with pytest.raises(ValueError, match=r"`labels` must be .*Received: "):
        similarity.features(labels)


def test_whole_levels_may_be_floats_in_a_graph():
    """On several replicas Keras traces a loss with the mean of the labels."""
    similarity = similarities.SharedLevels()
    traced = tf.function(similarity.features).get_concrete_function(
        tf.TensorSpec((None, 2), tf.float64)
    )
    found = traced(tf.constant(LEVELS, tf.float64))
    np.testing.assert_array_equal(found, LEVELS)
    assert found.dtype == tf.int64
