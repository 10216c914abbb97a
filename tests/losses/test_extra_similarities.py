"""Further negatives of each anchor, in the denominators of the losses."""

import numpy as np
import pytest
import tensorflow as tf
from equations import random_projections
from pairwise import pairwise

from supcon_tf.losses import (
    BalancedSupConLoss,
    CrossViewLoss,
    DecoupledLoss,
    FocalSupConLoss,
    GroCoLoss,
    HardNegativeLoss,
    HierarchicalSupConLoss,
    MultiViewLoss,
    SINCERELoss,
    SoftSupConLoss,
    SpreadLoss,
    SupConLoss,
    similarities,
    supcon_loss,
)

LABELS = np.array([0, 1, 0, 2, 1])
Z = random_projections(5, 2, 4)
EXTRA = np.random.default_rng(3).uniform(-1, 1, (10, 3))
EXTRA[2] = -np.inf
EXTRA[5, 0] = -np.inf


def loop(z, extra, t, summation, denominator):
    """The loss of each anchor, `[10]`, from the equation."""
    z = tf.math.l2_normalize(tf.reshape(z, (10, 4)), axis=1)
    e = tf.exp(tf.matmul(z, z, transpose_b=True) / t)
    further = tf.reduce_sum(tf.exp(extra / t), axis=1)
    losses = []
    for i in range(10):
        classes = np.repeat(LABELS, 2)
        positives = [
            p for p in range(10) if p != i and classes[p] == classes[i]
        ]
        negatives = [n for n in range(10) if classes[n] != classes[i]]
        rest = sum(e[i, n] for n in negatives) + further[i]
        below = {
            "all": lambda p, rest=rest, i=i, positives=positives: (
                rest + sum(e[i, q] for q in positives)
            ),
            "one_positive": lambda p, rest=rest, i=i: rest + e[i, p],
            "only_negatives": lambda p, rest=rest: rest,
        }[denominator]
        shares = [e[i, p] / below(p) for p in positives]
        if summation == "outside":
            losses.append(-sum(map(tf.math.log, shares)) / len(shares))
        else:
            losses.append(-tf.math.log(sum(shares) / len(shares)))
    return tf.stack(losses)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("denominator", "summation", "anchors", "implementation"),
    pairwise(
        denominator=["all", "one_positive", "only_negatives"],
        summation=["outside", "inside"],
        anchors=["all", "first"],
        implementation=["dense", "tiled"],
    ),
)
def test_they_join_the_denominator(
    denominator, summation, anchors, implementation
):
    inputs = [tf.constant(x, tf.float64) for x in (Z, EXTRA, 0.4)]
    results = []
    for is_loop in (True, False):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            z, extra, t = inputs
            if is_loop:
                each = loop(z, extra, t, summation, denominator)
                each = tf.reshape(each, (5, 2))
                each = each[:, 0] if anchors == "first" else each
                losses = tf.reduce_mean(tf.reshape(each, (5, -1)), axis=1)
            else:
                losses = supcon_loss(
                    LABELS,
                    z,
                    temperature=t,
                    summation=summation,
                    denominator=denominator,
                    anchors=anchors,
                    extra_similarities=extra,
                    implementation=implementation,
                )
            value = tf.reduce_sum(losses * tf.range(1.0, 6.0, dtype="float64"))
        gradients = tape.gradient(value, inputs)
        # (The loop's gradient at -inf is 0 times infinity for t.)
        results.append([losses, gradients[0], gradients[1]])
    for a, b in zip(*results, strict=True):
        a, b = (np.where(np.isfinite(x), x, 0) for x in (a, b))
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-12)
    assert np.isfinite(gradients[2])


def test_the_gradient_by_the_temperature_is_a_slope():
    def value(t):
        return tf.reduce_sum(
            supcon_loss(LABELS, Z, temperature=t, extra_similarities=EXTRA)
        )

    t = tf.constant(0.4, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(t)
        loss = value(t)
    slope = (value(0.4 + 1e-5) - value(0.4 - 1e-5)) / 2e-5
    np.testing.assert_allclose(tape.gradient(loss, t), slope, rtol=1e-6)
    np.testing.assert_allclose(loss, value(0.4), rtol=1e-12)


def test_the_loss_is_that_of_hard_negative_mixing_in_the_sheet():
    z = np.array([[[1, 2, 2]], [[2, 1, 2]]]) / 3
    vectors = np.array([[0, -3, 0], [3, 0, 0], [-2, 2, 1]]) / 3
    queue = (np.array([1, 2, 3]), vectors, np.ones(3, bool))
    extra = np.full((2, 2), -np.inf)
    options = {"temperature": 0.5, "queue": queue}
    plain = supcon_loss([0, 0], z, extra_similarities=extra, **options)
    np.testing.assert_allclose(plain[0], 0.579338134, atol=1e-9)
    # Similarities of the sheet's two mixtures, by 9 digits.
    extra[0] = 0.669438681, 0.778498944
    mixed = supcon_loss([0, 0], z, extra_similarities=extra, **options)
    np.testing.assert_allclose(mixed[0], 1.172944833, atol=2e-9)
    np.testing.assert_allclose(mixed[1], plain[1], rtol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        SINCERELoss,
        FocalSupConLoss,
        BalancedSupConLoss,
        DecoupledLoss,
        lambda **o: HardNegativeLoss(class_prior=0.0, **o),
    ],
)
def test_the_family_takes_them(make):
    loss = make(dtype="float64", temperature=0.4)
    plain = float(loss(LABELS, Z))
    none = np.full((10, 2), -np.inf)
    np.testing.assert_allclose(
        loss(LABELS, Z, extra_similarities=none), plain, rtol=1e-12
    )
    assert float(loss(LABELS, Z, extra_similarities=EXTRA)) > plain + 0.01


def test_soft_labels_take_them_as_classes_do():
    soft = SoftSupConLoss(similarities.Cosine(), 0.4, dtype="float64")
    np.testing.assert_allclose(
        soft(np.eye(3)[LABELS], Z, extra_similarities=EXTRA),
        SupConLoss(0.4, dtype="float64")(LABELS, Z, extra_similarities=EXTRA),
        rtol=1e-12,
    )


def test_at_collapse_they_have_the_similarity_1():
    loss = SupConLoss(0.4)
    collapsed, floor = loss.reference_values(
        LABELS, Z, extra_similarities=tf.constant(EXTRA)
    )
    counts = np.isfinite(EXTRA).sum(axis=1)
    np.testing.assert_allclose(collapsed, np.log(9 + counts).mean(), rtol=1e-6)
    assert floor is None


@pytest.mark.parametrize(
    "loss",
    [
        GroCoLoss(),
        SpreadLoss(),
        CrossViewLoss(),
        MultiViewLoss(),
        HierarchicalSupConLoss(),
    ],
)
def test_other_losses_refuse_them(loss):
    with pytest.raises(ValueError) as error:
        loss(LABELS, Z, extra_similarities=EXTRA)
    assert str(error.value) == (
        f"`extra_similarities` must be None with {type(loss).__name__}, which "
        "does not take it. Received: ndarray"
    )


@pytest.mark.parametrize("shape", [(10,), (5, 3), (10, 1, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"must have shape \[B \* V, S\], one"):
        supcon_loss(LABELS, Z, extra_similarities=np.ones(shape))
