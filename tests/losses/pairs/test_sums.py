"""Sums over pairs, dense and in tiles, against loops over the pairs."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from equations import assert_slopes
from pairwise import pairwise

from supcon_tf.losses.pairs import sums, tiles
from supcon_tf.losses.pairs.contrasts import compared_with
from supcon_tf.losses.pairs.sums import sums_and_curve, sums_over_pairs
from supcon_tf.losses.pairs.terms import (
    Curve,
    Exps,
    Kinds,
    Products,
    Weights,
)

GENERATOR = np.random.default_rng(0)
OWN = GENERATOR.normal(size=(10, 3))  # 5 images of 2 views
QUEUED = GENERATOR.normal(size=(5, 3)) * [[1], [1], [1], [1], [0]]
IS_FILLED = np.array([True, True, True, True, False])
FEATURES = GENERATOR.uniform(size=(15, 1))
SCALES = GENERATOR.uniform(1, 2, size=(10, 1))
TERMS = [
    Products("soft"),
    Exps(),
    Exps("soft", 1.5),
    Weights("soft"),
    Exps("near", 0.5),
    Weights("near"),
    Exps("never"),
]


def weigh(rows, columns):
    """Weights of pairs that differ by the order of the two, and masks."""
    difference = rows["x"] - tf.transpose(columns["x"])
    return {
        "soft": tf.exp(difference),
        "near": abs(difference) < 0.3,
        "never": abs(difference) > 2,
    }


def weigh_evenly(rows, columns):
    weights = weigh(rows, columns)
    difference = rows["x"] - tf.transpose(columns["x"])
    return weights | {"soft": tf.exp(-abs(difference))}


def contrasts_of(own, with_queue, scales, bound):
    queue = None
    if with_queue:
        queue = (np.arange(5), QUEUED, IS_FILLED)
    contrasts = compared_with(
        own, tf.range(5, dtype="int64"), views=2, bound=bound, queue=queue
    )
    return dataclasses.replace(contrasts, scales=scales)


def by_loops(own, scales, with_queue, weigh, terms):
    """`[n, T]`, one pair at a time."""
    rest = QUEUED[IS_FILLED] if with_queue else QUEUED[:0]
    vectors = np.concatenate([own, rest])
    x = FEATURES[: len(vectors)]
    weights = {k: np.array(v) for k, v in weigh({"x": x}, {"x": x}).items()}
    sums = np.zeros((len(own), len(terms)))
    for i in range(len(own)):
        for t, term in enumerate(terms):
            total = 0
            for j in range(len(vectors)):
                if j == i:
                    continue
                s = own[i] @ vectors[j] * scales[i, 0]
                k = 1 if term.kind is None else weights[term.kind][i, j]
                if isinstance(term, Exps):
                    total += k * np.exp(term.power * s)
                else:
                    total += k * (s if isinstance(term, Products) else 1)
            if isinstance(term, Exps):
                total = np.log(total) if total else np.nan
            sums[i, t] = total
    return sums


CASES = {
    "in_tiles": [False, True],
    "bound": [5.0, None],
    "weigh": [weigh, weigh_evenly],
    "with_queue": [False, True],
    "with_scales": [False, True],
    "tile_size": [4, 7, 100],
}


@pytest.mark.parametrize(list(CASES), pairwise(**CASES))
def test_all_terms_and_their_slopes_are_those_of_the_loops(
    monkeypatch, in_tiles, bound, weigh, with_queue, with_scales, tile_size
):
    monkeypatch.setattr(tiles, "TILE_SIZE", tile_size)
    kinds = Kinds(
        {"x": FEATURES[: 15 if with_queue else 10]},
        weigh,
        is_symmetric=weigh is weigh_evenly,
    )
    given = SCALES if with_scales else np.ones((10, 1))
    upstream = np.random.default_rng(1).normal(size=(10, len(TERMS)))
    upstream[:, -1] = 0  # a log-sum-exp of nothing has no value

    own, scales = tf.constant(OWN), tf.constant(given)
    with tf.GradientTape() as tape:
        tape.watch([own, scales])
        contrasts = contrasts_of(
            own, with_queue, scales if with_scales else None, bound
        )
        values = tf.stack(
            sums_over_pairs(contrasts, TERMS, kinds, in_tiles=in_tiles), axis=1
        )
    slopes = tape.gradient(values, [own, scales], upstream)

    expected = by_loops(OWN, given, with_queue, weigh, TERMS)
    is_known = ~np.isnan(expected)
    np.testing.assert_allclose(
        values.numpy()[is_known], expected[is_known], rtol=1e-12
    )
    assert (values.numpy()[~is_known] < -1e30).all()

    def total(own, scales):
        sums = by_loops(own, scales, with_queue, weigh, TERMS[:-1])
        return (sums * upstream[:, :-1]).sum()

    assert_slopes(lambda x: total(x, given), OWN, slopes[0].numpy(), 1e-6)
    if with_scales:
        assert_slopes(lambda x: total(OWN, x), given, slopes[1].numpy(), 1e-6)


def sine(x, shifts):
    return tf.sin(x) * (1 + shifts)


def cosine(x, shifts):
    return tf.cos(x) * (1 + shifts)


CURVE = Curve(
    sine,
    cosine,
    lambda exps, x, shifts: (
        sine(tf.math.log(exps), shifts),
        cosine(x, shifts),
    ),
)
SHIFTS = np.random.default_rng(2).normal(size=10)


@pytest.mark.parametrize(list(CASES), pairwise(**CASES))
def test_a_curve_is_summed_over_the_positives(
    monkeypatch, in_tiles, bound, weigh, with_queue, with_scales, tile_size
):
    """Its offset is half of the log-sum-exp of the near ones."""
    monkeypatch.setattr(tiles, "TILE_SIZE", tile_size)

    def positives(rows, columns):
        weights = weigh(rows, columns)
        return {"positive": weights["soft"], "near": weights["near"]}

    kinds = Kinds(
        {"x": FEATURES[: 15 if with_queue else 10]},
        positives,
        is_symmetric=weigh is weigh_evenly,
    )
    given = SCALES if with_scales else np.ones((10, 1))
    upstream = np.random.default_rng(3).normal(size=(2, 10))

    inputs = [tf.constant(x) for x in (OWN, given)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        contrasts = contrasts_of(
            inputs[0], with_queue, inputs[1] if with_scales else None, bound
        )
        (near,), curve = sums_and_curve(
            contrasts,
            [Exps("near", 0.5)],
            kinds,
            CURVE,
            lambda terms: (terms[0] / 2, tf.constant(SHIFTS)),
            in_tiles=in_tiles,
        )
        values = tf.stack([near, curve])
    slopes = tape.gradient(values, inputs, upstream)

    def by_matrix(own, scales):
        terms = [Exps("near", 0.5)]
        near = by_loops(own, scales, with_queue, weigh, terms)
        rest = QUEUED[IS_FILLED] if with_queue else QUEUED[:0]
        vectors = np.concatenate([own, rest])
        x = FEATURES[: len(vectors)]
        weights = np.array(weigh({"x": x}, {"x": x})["soft"])[: len(own)]
        weights[np.arange(10), np.arange(10)] = 0
        s = own @ vectors.T * scales - near / 2
        curve = (weights * np.sin(s) * (1 + SHIFTS[:, None])).sum(1)
        return np.stack([near[:, 0], curve])

    np.testing.assert_allclose(
        values, by_matrix(OWN, given), rtol=1e-11, atol=1e-12
    )

    def total(own, scales):
        return (by_matrix(own, scales) * upstream).sum()

    assert_slopes(lambda x: total(x, given), OWN, slopes[0].numpy(), 1e-6)
    if with_scales:
        assert_slopes(lambda x: total(OWN, x), given, slopes[1].numpy(), 1e-6)


@pytest.mark.parametrize("in_tiles", [False, True])
def test_only_the_first_view_may_be_an_anchor(in_tiles):
    kinds = Kinds(
        {"x": FEATURES[:10]},
        lambda rows, columns: {"positive": weigh(rows, columns)["soft"]},
        is_symmetric=False,
    )
    everything, some = (
        dataclasses.replace(
            contrasts_of(tf.constant(OWN), False, None, 5.0), stride=stride
        )
        for stride in (1, 2)
    )
    terms = [Exps("positive"), Products("positive")]
    np.testing.assert_allclose(
        sums_over_pairs(some, terms, kinds, in_tiles=in_tiles),
        np.array(sums_over_pairs(everything, terms, kinds, in_tiles=True))[
            :, ::2
        ],
        rtol=1e-12,
    )


def test_on_pytorch_tiles_are_taken_from_8192_contrasts_on(monkeypatch):
    few, many = (
        compared_with(np.zeros((size, 4), "float32"), None, views=1, bound=10.0)
        for size in (4096, 8192)
    )
    assert sums.are_tiles_better(few)
    monkeypatch.setattr(sums, "backend", lambda: "torch")
    assert not sums.are_tiles_better(few)
    assert sums.are_tiles_better(many)
