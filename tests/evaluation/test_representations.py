"""Probe, choice of k, effective rank and pairs of representations."""

import numpy as np
import pytest

from supcon_tf.evaluation.representations import (
    effective_rank,
    of_unit_length,
    pair_similarities,
)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_directions_of_the_same_spread_are_counted(rank):
    random = np.random.default_rng(0)
    q, _ = np.linalg.qr(random.normal(size=(12, 12)))
    x = np.concatenate([np.eye(rank), -np.eye(rank)]) @ q[:rank] + 7
    assert effective_rank(x) == pytest.approx(rank)
    assert effective_rank(np.float32(1e-3 * x)) == pytest.approx(rank, rel=1e-3)


def test_the_effective_rank_is_that_of_the_equation():
    # Singular values 3 * sqrt(2) and sqrt(2): shares 3/4 and 1/4.
    value = effective_rank([[3, 0], [-3, 0], [0, 1], [0, -1]])
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert value == pytest.approx(np.exp(entropy))


def test_random_directions_are_nearly_all_counted():
    x = np.random.default_rng(0).normal(size=(5000, 30))
    assert 29.5 < effective_rank(x) < 30


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_a_collapsed_encoder_has_the_rank_0(value):
    assert effective_rank(np.full((37, 5), value)) == 0
    assert effective_rank([[value, 2.0]]) == 0


@pytest.mark.parametrize("x", [np.zeros(3), np.zeros((0, 3)), [[np.nan, 1.0]]])
def test_what_are_no_representations_is_refused(x):
    with pytest.raises(ValueError, match="must be finite floats of shape"):
        effective_rank(x)


def test_pairs_are_of_one_class_or_of_two():
    # Class 0 lies at the angle 0, class 1 at 60 degrees, of any lengths.
    angle = np.pi / 3
    directions = np.array([[1, 0], [np.cos(angle), np.sin(angle)]])
    labels = np.array([0, 1, 1, 0, 1, 0, 0])
    x = directions[labels] * np.arange(1, 8)[:, None]
    similarities = pair_similarities(x, labels, max_pairs=500)
    assert list(similarities) == ["one class", "two classes"]
    np.testing.assert_allclose(similarities["one class"], 1)
    np.testing.assert_allclose(similarities["two classes"], 0.5)
    assert len(similarities["two classes"]) == 500
    # An image with itself, one in 3 or 4, is left out.
    assert 300 < len(similarities["one class"]) < 420


def test_the_seed_decides_the_pairs():
    random = np.random.default_rng(0)
    x, labels = random.normal(size=(50, 4)), random.integers(0, 3, 50)
    first, again, other = (
        pair_similarities(x, labels, seed=seed)["two classes"]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert first.tolist() != other.tolist()


@pytest.mark.parametrize(
    ("labels", "words"),
    [([0, 0, 0], "of two classes"), ([0, 1, 2], "of one class")],
)
def test_pairs_that_there_are_not_are_named(labels, words):
    with pytest.raises(ValueError, match=f"pairs of images {words}"):
        pair_similarities(np.eye(3), labels)


def test_a_representation_of_length_0_is_similar_to_none():
    x = np.array([[0.0, 0.0], [1, 0], [2, 0]])
    similarities = pair_similarities(x, [0, 0, 1], max_pairs=50)
    assert set(similarities["one class"]) == {0.0}


def test_of_unit_length_are_all_but_those_of_length_0():
    x = of_unit_length([[3, 4], [0, 0], [0, -1e-9]])
    np.testing.assert_allclose(x, [[0.6, 0.8], [0, 0], [0, -1]])
