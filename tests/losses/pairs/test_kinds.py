"""The weights of pairs that labels make, and their sums without pairs."""

import dataclasses

import numpy as np
import pytest
from family import LEVELS, SHARES, Z

from supcon_tf.losses.pairs.contrasts import contrasts_of
from supcon_tf.losses.pairs.kinds import by_class, by_similarity
from supcon_tf.losses.pairs.sums import sums_over_pairs
from supcon_tf.losses.pairs.terms import Products, Weights
from supcon_tf.losses.similarities import (
    Cosine,
    Distance,
    Dot,
    SharedLevels,
    Within,
)

CASES = {
    "Cosine": (Cosine(), SHARES),
    "Dot": (Dot(), SHARES),
    "SharedLevels": (SharedLevels(), LEVELS),
}


@pytest.mark.parametrize("case", list(CASES))
@pytest.mark.parametrize("anchors", ["all", "first"])
def test_sums_without_pairs_are_those_of_the_pairs(case, anchors):
    similarity, labels = CASES[case]
    queue = (np.repeat(labels[4:], 2, 0), Z[4:].reshape(4, 3), [True] * 4)
    contrasts = contrasts_of(
        labels[:4],
        Z[:4],
        temperature=0.5,
        anchors=anchors,
        queue=queue,
        features_of=lambda y, _: similarity.features(y),
    )
    kinds = by_similarity(contrasts, similarity)
    terms = [Weights("positive"), Products("positive")]
    expected = sums_over_pairs(contrasts, terms, kinds, in_tiles=False)
    known = kinds.known(contrasts)
    for term, value in zip(terms, expected, strict=True):
        np.testing.assert_allclose(known[term], value, rtol=1e-6)


def test_equal_classes_are_positives_and_all_others_negatives():
    contrasts = contrasts_of([0, 1, 0], Z[:3], temperature=0.5)
    kinds = by_class(contrasts)
    weights = kinds.weigh(kinds.features, kinds.features)
    same = np.repeat([[1, 0, 1], [0, 1, 0], [1, 0, 1]], 2, 0).repeat(2, 1)
    np.testing.assert_array_equal(weights["positive"], same == 1)
    np.testing.assert_array_equal(weights["negative"], same == 0)
    known = kinds.known(contrasts)
    assert Products("positive") in known
    del known[Products("positive")]
    exact = by_class(contrasts, has_exact_sums=False)
    assert list(exact.known(contrasts)) == list(known)
    for term, value in known.items():
        (expected,) = sums_over_pairs(contrasts, [term], kinds, in_tiles=False)
        np.testing.assert_allclose(value, expected)


def test_what_is_no_positive_is_a_negative_times_its_contrast_weight():
    contrasts = contrasts_of(None, Z[:2], temperature=0.5)
    targets = np.repeat([[1.0], [4.0]], 2, axis=0)
    contrasts = dataclasses.replace(contrasts, features=targets)
    kinds = by_similarity(contrasts, Within(0), Distance())
    weights = kinds.weigh(kinds.features, kinds.features)
    far = np.repeat([[0, 1], [1, 0]], 2, axis=0).repeat(2, axis=1)
    np.testing.assert_allclose(weights["positive"], 1 - far)
    np.testing.assert_allclose(weights["contrast"], 1 + 3 * far)
    np.testing.assert_allclose(weights["negative"], 4 * far)
    np.testing.assert_allclose(weights["is_negative"], far)
