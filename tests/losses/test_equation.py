"""The equation of the family, against a loop over pairs, and its uses."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from equations import assert_slopes
from pairwise import pairwise
from sheet import X2, assert_measured, cy, fine, measured, yA, yB

from supcon_tf import DecoupledLoss, FocalSupConLoss, metrics, similarities
from supcon_tf.losses.balanced import _balanced
from supcon_tf.losses.equation import losses_of_anchors
from supcon_tf.losses.pairs import tiles
from supcon_tf.losses.pairs.contrasts import compared_with, contrasts_of
from supcon_tf.losses.pairs.kinds import by_similarity
from supcon_tf.losses.pairs.sums import sums_over_pairs
from supcon_tf.losses.pairs.terms import Exps, Kinds, Weights
from supcon_tf.losses.similarities import label_features

GENERATOR = np.random.default_rng(5)
UNIT = GENERATOR.normal(size=(8, 3))
UNIT /= np.linalg.norm(UNIT, axis=1, keepdims=True)
FEATURES = GENERATOR.uniform(size=(8, 1))


def weigh(rows, columns):
    """Soft w that is 0 for some pairs and 1 for others, and a soft v."""
    difference = rows["x"] - tf.transpose(columns["x"])
    distance = abs(difference)
    w = tf.where(distance < 0.1, 1.0, tf.exp(-3 * distance))
    w = tf.where(distance > 0.6, tf.zeros_like(w), w)
    v = 1 + tf.exp(difference)
    return {
        "positive": w,
        "is_positive": w > 0,
        "is_negative": 1 - w,
        "negative": (1 - w) * v,
        "contrast": v,
    }


KINDS = Kinds({"x": FEATURES}, weigh, is_symmetric=False, contrasts="contrast")
W, V = (
    np.array(weigh({"x": FEATURES}, {"x": FEATURES})[kind])
    for kind in ("positive", "contrast")
)


def by_loops(
    z,
    t,
    *,
    summation="outside",
    denominator="all",
    positives_mean="weights",
    margin=0.0,
    hardness=0.0,
    class_prior=0.0,
    focus=0.0,
):
    """Equations (1) to (4) of one anchor after the other, `[n]`."""
    losses = []
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        e = np.exp(z @ z[i] / t)
        u = 1 - W[i]
        negatives = sum(u[k] * V[i, k] * e[k] ** (1 + hardness) for k in others)
        number = sum(u[k] for k in others)
        if hardness:
            negatives *= number / sum(
                u[k] * V[i, k] * e[k] ** hardness for k in others
            )
        if class_prior:
            mean = sum(W[i, j] * e[j] for j in others)
            mean /= sum(W[i, j] for j in others)
            negatives -= class_prior * number * mean
            negatives /= 1 - class_prior
            negatives = max(negatives, number * np.exp(-1 / t))
        n = {
            "weights": sum(W[i, j] for j in others),
            "count": sum(W[i, j] > 0 for j in others),
            "contrasts": len(others),
            "one": 1,
        }[positives_mean]
        total = 0
        for j in others:
            below = {
                "all": sum(V[i, k] * e[k] for k in others),
                "one_positive": e[j] * np.exp(-margin) + negatives,
                "only_negatives": negatives,
            }[denominator]
            p = e[j] / below
            if summation == "inside":
                total += W[i, j] * p
            else:
                factor = (1 - p) ** focus if focus else 1
                total -= W[i, j] * factor * np.log(p)
        total /= n
        losses.append(-np.log(total) if summation == "inside" else total)
    return np.array(losses)


FORMS = {
    "all": {},
    "focal": {"focus": 2.0},
    "one_positive": {"denominator": "one_positive", "margin": 0.25},
    "hard": {"denominator": "one_positive", "hardness": 0.5},
    "hard and debiased": {
        "denominator": "one_positive",
        "hardness": 1.0,
        "class_prior": 0.1,
    },
    "debiased": {"denominator": "only_negatives", "class_prior": 0.1},
    "cut off": {"denominator": "only_negatives", "class_prior": 0.9},
    "only_negatives": {"denominator": "only_negatives"},
}
CASES = pairwise(
    form=list(FORMS),
    summation=["outside", "inside"],
    positives_mean=["weights", "count", "contrasts", "one"],
    in_tiles=[False, True],
    temperature=[0.5, 0.02],
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "summation", "positives_mean", "in_tiles", "temperature"),
    [case for case in CASES if case[:2] != ("focal", "inside")],
)
def test_the_equation_is_that_of_the_loop(
    monkeypatch, form, summation, positives_mean, in_tiles, temperature
):
    monkeypatch.setattr(tiles, "TILE_SIZE", 3)
    options = FORMS[form] | {
        "summation": summation,
        "positives_mean": positives_mean,
    }
    upstream = np.random.default_rng(1).uniform(0.5, 1, size=8)
    z = tf.constant(UNIT)
    with tf.GradientTape() as tape:
        tape.watch(z)
        contrasts = compared_with(
            z / temperature**0.5,
            tf.range(4, dtype="int64"),
            views=2,
            bound=1 / temperature,
        )
        losses = losses_of_anchors(
            contrasts, KINDS, in_tiles=in_tiles, **options
        )
    slopes = tape.gradient(losses, z, upstream)
    np.testing.assert_allclose(
        losses, by_loops(UNIT, temperature, **options), rtol=1e-10
    )
    assert_slopes(
        lambda z: (by_loops(z, temperature, **options) * upstream).sum(),
        UNIT,
        slopes.numpy(),
        atol=1e-6 / temperature,
        step=1e-7 if temperature < 0.1 else 1e-6,
    )


# --- Recorded values of losses that are settings of the equation.

IMPLEMENTATIONS = pytest.mark.parametrize("in_tiles", [False, True])


@pytest.fixture(autouse=True)
def three_rows_a_tile(monkeypatch):
    monkeypatch.setattr(tiles, "TILE_SIZE", 3)


def contrasts_at(z, labels=None, **options):
    return contrasts_of(labels, z, temperature=0.5, **options)


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
def test_value_25_rgcl_is_dcl_with_a_temperature_for_each_image(
    implementation,
):
    temperatures = tf.constant([0.3, 0.5, 0.4, 0.6], tf.float64)
    decoupled = DecoupledLoss(
        reduction=None, dtype="float64", implementation=implementation
    )

    def loss(z, t=temperatures):
        # 6 negatives, rho = 0.4
        losses = decoupled(None, z, temperature=t)
        return t * (losses - np.log(6) + 0.4)

    slopes = (-0.0301577, 0.0211108, -0.0060319)
    assert_measured(loss, X2, -0.328485003, slopes, 0.1740140)
    with tf.GradientTape() as tape:
        tape.watch(temperatures)
        value = tf.reduce_mean(loss(tf.constant(X2 / 3), temperatures))
    np.testing.assert_allclose(
        tape.gradient(value, temperatures),
        (0.02494156, 0.05767417, 0.02157297, 0.07014188),
        atol=1e-8,
    )


@IMPLEMENTATIONS
def test_value_36_bcl_has_prototypes_among_the_contrasts(in_tiles):
    rows = np.concatenate([X2.reshape(-1, 3), [[2, 2, 1], [-2, 1, 2]]])
    labels = [*np.repeat(yB, 2), 0, 1]

    def loss(z):
        contrasts = contrasts_at(z, labels)
        kinds = _balanced(contrasts, 1.0)
        return losses_of_anchors(contrasts, kinds, in_tiles=in_tiles)[:8]

    value, slopes, _ = measured(loss, rows[:, None])
    np.testing.assert_allclose(value, 0.712320693, atol=1e-9)
    np.testing.assert_allclose(
        slopes, (0.0103120, -0.0211462, 0.0159902), atol=1e-7
    )
    z = tf.constant(rows)
    with tf.GradientTape() as tape:
        tape.watch(z)
        lengths = tf.norm(z, axis=1, keepdims=True)
        value = tf.reduce_mean(loss((z / lengths)[:, None]))
    gradient = tape.gradient(value, z).numpy()
    np.testing.assert_allclose(
        np.linalg.norm(gradient[:8]), 0.1612077, atol=1e-7
    )
    np.testing.assert_allclose(
        gradient[8:],
        [
            (0.01648519, -0.01042305, -0.01212428),
            (-0.00989767, 0.05565213, -0.03772373),
        ],
        atol=1e-7,
    )


@IMPLEMENTATIONS
def test_value_38_supremix_divides_by_one_positive_more(in_tiles):
    within = similarities.Within(0)

    def loss(z):
        contrasts = contrasts_at(
            z, cy, features_of=lambda y, n: label_features(within, y, n)
        )
        kinds = by_similarity(contrasts, within, similarities.Distance())
        losses = losses_of_anchors(contrasts, kinds, in_tiles=in_tiles)
        (number,) = sums_over_pairs(
            contrasts, [Weights("positive")], kinds, in_tiles=in_tiles
        )
        return losses * number / (number + 1)

    slopes = (0.0725202, -0.0272435, -0.0090166)
    assert_measured(loss, X2, 1.908274568, slopes, 0.2443952)


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
def test_value_43_focal_supcon(implementation):
    focal = FocalSupConLoss(
        0.5, reduction="sum", dtype="float64", implementation=implementation
    )
    # The one of id 2 has no positives, and is left out of this mean.
    assert_measured(
        lambda z: focal([0, 1, 0, 1, 0, 1, 1, 2], z) / 7,
        X2.reshape(8, 1, 3),
        2.033885783,
        (-0.0768171, 0.0108865, 0.0275221),
        0.2260976,
    )


def kinds_of(contrasts, labels, weigh, **options):
    """`Kinds` of own views, with contrasts weighted by the images' labels."""
    features = {
        "images": contrasts.images,
        "views": contrasts.view_numbers,
        "labels": tf.repeat(tf.constant(labels), 2, axis=0),
    }

    def all_kinds(rows, columns):
        is_own = rows["images"] == tf.transpose(columns["images"])
        return {"positive": is_own, "contrast": weigh(rows, columns)}

    return Kinds(features, all_kinds, contrasts="contrast", **options)


@IMPLEMENTATIONS
def test_value_44_mcl_has_contrasts_of_the_cluster_alone(in_tiles):
    def same(rows, columns):
        return rows["labels"] == tf.transpose(columns["labels"])

    def loss(z):
        contrasts = contrasts_at(z)
        kinds = kinds_of(contrasts, yA[:, None], same)
        return losses_of_anchors(contrasts, kinds, in_tiles=in_tiles)

    slopes = (0.0060072, 0.0431337, -0.0461373)
    assert_measured(loss, X2, 0.597696428, slopes, 0.1683742)


@IMPLEMENTATIONS
def test_value_51_meow_counts_the_clusterings_that_tell_two_apart(in_tiles):
    clusterings = np.array([[0, 0], [1, 0], [0, 1], [1, 2]])

    def differences(rows, columns):
        is_other = rows["views"] != tf.transpose(columns["views"])
        number = sum(
            tf.cast(
                rows["labels"][:, k, None] != columns["labels"][:, k],
                tf.float64,
            )
            for k in range(2)
        )
        return tf.where(is_other, number, tf.zeros_like(number))

    def loss(z):
        contrasts = contrasts_at(z, anchors="first")
        kinds = kinds_of(contrasts, clusterings, differences)
        return losses_of_anchors(contrasts, kinds, in_tiles=in_tiles)

    slopes = (-0.0811591, 0.0389620, 0.0016175)
    assert_measured(loss, X2, 0.425067926, slopes, 0.3767714)


def test_value_47_the_metric_uniformity_is_a_loss():
    value, slopes, norm = measured(lambda z: metrics.uniformity(None, z), X2)
    np.testing.assert_allclose(value, -1.626931780, atol=1e-6)
    np.testing.assert_allclose(
        slopes, (0.0639354, -0.0249743, -0.0069934), atol=1e-6
    )
    np.testing.assert_allclose(norm, 0.2503762, atol=1e-6)


@IMPLEMENTATIONS
def test_value_52_k_jem_is_a_log_sum_exp_of_two_heads(in_tiles):
    def loss(z):
        both = tf.reshape(z, (4, 1, 6))  # common and salient, side by side
        contrasts = contrasts_at(both, normalize=False)
        contrasts = dataclasses.replace(contrasts, bound=4.0)
        (sums,) = sums_over_pairs(contrasts, [Exps()], in_tiles=in_tiles)
        # -(|x - y|^2) / (2 t) = (x.y - 2) / t, and 0 for j = i.
        terms = tf.stack([sums - 4, tf.zeros_like(sums)])
        return tf.reduce_logsumexp(terms, axis=0) - np.log(4)

    slopes = (0.0308362, 0.0100366, -0.0254547)
    assert_measured(loss, X2, -1.154890563, slopes, 0.1060919)


@IMPLEMENTATIONS
def test_the_first_views_are_anchors_dense_and_in_tiles(in_tiles):
    everything, some = (
        losses_of_anchors(
            contrasts_at(tf.constant(X2), fine, anchors=anchors),
            KINDS,
            denominator="one_positive",
            in_tiles=in_tiles,
        )
        for anchors in ("all", "first")
    )
    np.testing.assert_allclose(some, everything[::2], rtol=1e-12)
