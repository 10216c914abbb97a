"""What holds for any batch: limits, symmetries, and never NaN."""

import itertools

import hypothesis
import keras
import numpy as np
import pytest
import tensorflow as tf
from equations import (
    assert_slopes,
    random_projections,
    supcon_by_loops,
    value_and_gradient,
)
from hypothesis import strategies as st
from pairwise import pairwise

from supcon_tf import SupConLoss, supcon_loss
from supcon_tf.losses.pairs import tiles

SUMMATIONS = ["outside", "inside"]
DENOMINATORS = ["all", "one_positive", "only_negatives"]
VARIANTS = [
    {"summation": summation, "denominator": denominator}
    for summation, denominator in itertools.product(SUMMATIONS, DENOMINATORS)
]
TILED = [{"summation": s, "implementation": "tiled"} for s in SUMMATIONS]

settings = hypothesis.settings(max_examples=8, deadline=None, derandomize=True)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "TILE_SIZE", 4)


@st.composite
def batches(draw):
    """Labels, projections [B, V, D] and a variant."""
    batch = draw(st.integers(1, 6))
    views = draw(st.integers(1, 3))
    labels = draw(st.lists(st.integers(0, 2), min_size=batch, max_size=batch))
    seed = draw(st.integers(0, 2**16))
    variant = dict(draw(st.sampled_from([*VARIANTS, *TILED])))
    variant["anchors"] = draw(st.sampled_from(["all", "first"]))
    variant["temperature"] = draw(st.sampled_from([0.02, 0.1, 1.0]))
    if "implementation" not in variant and draw(st.booleans()):
        variant["positives_cap"] = views * draw(st.integers(0, 3))
    if draw(st.booleans()):
        variant["unlabeled_label"] = 0
    return labels, random_projections(batch, views, 3, seed=seed), variant


# --- Symmetries.


@pytest.mark.slow
@settings
@hypothesis.given(batches())
def test_finite_differences_give_the_gradient(case):
    labels, z, variant = case
    variant["temperature"] = 1.0
    _, gradient = value_and_gradient(labels, z, **variant)
    assert_slopes(
        lambda z: supcon_loss(labels, z, **variant).numpy().sum(),
        z,
        gradient,
        atol=1e-7,
    )


@pytest.mark.slow
@settings
@hypothesis.given(batches(), st.randoms(use_true_random=False))
def test_the_order_of_the_batch_does_not_matter(case, random):
    labels, z, variant = case
    variant.pop("positives_cap", None)  # is by the order of the batch
    order = list(range(len(labels)))
    random.shuffle(order)
    losses, gradient = value_and_gradient(labels, z, **variant)
    shuffled, shuffled_gradient = value_and_gradient(
        np.array(labels)[order], z[order], **variant
    )
    np.testing.assert_allclose(shuffled, losses[order], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        shuffled_gradient, gradient[order], rtol=1e-7, atol=1e-9
    )


@pytest.mark.slow
@settings
@hypothesis.given(batches(), st.integers(-(2**62), 2**62))
def test_the_names_of_the_classes_do_not_matter(case, offset):
    labels, z, variant = case
    renamed = -3 * np.array(labels) + offset
    losses, _ = value_and_gradient(labels, z, **variant)
    if "unlabeled_label" in variant:
        variant["unlabeled_label"] = offset
    others, _ = value_and_gradient(renamed, z, **variant)
    np.testing.assert_array_equal(others, losses)


@pytest.mark.slow
@settings
@hypothesis.given(batches())
def test_a_rotation_does_not_matter(case):
    labels, z, variant = case
    rotation, _ = np.linalg.qr(random_projections(3, 3, seed=9))
    losses, gradient = value_and_gradient(labels, z, **variant)
    rotated, rotated_gradient = value_and_gradient(
        labels, z @ rotation, **variant
    )
    np.testing.assert_allclose(rotated, losses, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        rotated_gradient, gradient @ rotation, rtol=1e-6, atol=1e-8
    )


@pytest.mark.slow
@settings
@hypothesis.given(batches(), st.floats(1e-3, 1e3))
def test_the_length_of_projections_does_not_matter(case, size):
    labels, z, variant = case
    losses, gradient = value_and_gradient(labels, z, **variant)
    sized, sized_gradient = value_and_gradient(labels, z * size, **variant)
    np.testing.assert_allclose(sized, losses, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        sized_gradient * size, gradient, rtol=1e-6, atol=1e-8
    )


@pytest.mark.slow
@settings
@hypothesis.given(batches())
def test_views_are_images_of_their_own_with_the_label_repeated(case):
    labels, z, variant = case
    variant["anchors"] = "all"
    for name in ("positives_cap", "unlabeled_label"):
        variant.pop(name, None)
    views = z.shape[1]
    losses = supcon_loss(labels, z, **variant).numpy()
    flat = supcon_loss(np.repeat(labels, views), z.reshape(-1, 3), **variant)
    np.testing.assert_allclose(
        flat.numpy().reshape(-1, views).mean(1), losses, rtol=1e-9, atol=1e-9
    )


@pytest.mark.slow
@settings
@hypothesis.given(batches())
def test_two_equal_images_have_equal_losses_and_gradients(case):
    labels, z, variant = case
    variant.pop("positives_cap", None)
    labels, z = [*labels, labels[0]], np.concatenate([z, z[:1]])
    losses, gradient = value_and_gradient(labels, z, **variant)
    np.testing.assert_allclose(losses[0], losses[-1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(gradient[0], gradient[-1], rtol=1e-6, atol=1e-8)


@pytest.mark.slow
@settings
@hypothesis.given(batches(), st.integers(1, 40))
def test_the_tile_size_does_not_matter(case, tile_size):
    labels, z, variant = case
    variant = {
        **{k: v for k, v in variant.items() if k != "positives_cap"},
        "denominator": "all",
    }
    dense = value_and_gradient(
        labels, z, **{**variant, "implementation": "dense"}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "TILE_SIZE", tile_size)
        by_tiles = value_and_gradient(
            labels, z, **{**variant, "implementation": "tiled"}
        )
    np.testing.assert_allclose(by_tiles[0], dense[0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(by_tiles[1], dense[1], rtol=1e-6, atol=1e-8)


@pytest.mark.slow
@settings
@hypothesis.given(batches(), st.sampled_from(DENOMINATORS))
def test_l_out_is_never_below_l_in(case, denominator):
    labels, z, variant = case
    variant = {
        "temperature": variant["temperature"],
        "denominator": denominator,
    }
    l_out = supcon_loss(labels, z, summation="outside", **variant)
    l_in = supcon_loss(labels, z, summation="inside", **variant)
    assert np.all(l_out >= l_in - 1e-9)


# --- Limits.


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_cap_of_0_is_l_out_of_own_views(variant):
    """With one other view, both sums have one term."""
    z = random_projections(6, 2, 4)
    labels = [0, 0, 1, 1, 2, 2]
    np.testing.assert_allclose(
        supcon_loss(labels, z, positives_cap=0, **variant),
        supcon_by_loops(labels, z, positives_cap=0, **variant),
        rtol=1e-10,
    )


@pytest.mark.slow
@pytest.mark.parametrize("variant", [*VARIANTS, *TILED], ids=str)
def test_no_labels_equal_labels_that_all_differ(variant):
    z = random_projections(5, 2, 4)
    np.testing.assert_array_equal(
        supcon_loss(None, z, **variant), supcon_loss(range(5), z, **variant)
    )


@pytest.mark.parametrize("variant", [{}, {"implementation": "tiled"}], ids=str)
def test_one_view_with_one_positive_is_the_n_pairs_loss(variant):
    """Sohn 2016, Eq. 6: log(1 + sum over negatives of exp(s_neg - s_pos))."""
    z = random_projections(6, 4)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    labels = np.array([0, 1, 2, 0, 1, 2])
    s = z @ z.T / 0.1
    positive = s[range(6), [3, 4, 5, 0, 1, 2]]
    negatives = np.where(
        labels[:, None] != labels, np.exp(s - positive[:, None]), 0
    )
    np.testing.assert_allclose(
        supcon_loss(labels, z, **variant),
        np.log1p(negatives.sum(axis=1)),
        rtol=1e-10,
    )


@pytest.mark.parametrize("variant", [{}, {"implementation": "tiled"}], ids=str)
def test_an_example_among_class_weights_is_cross_entropy(variant):
    x, weights = random_projections(8), random_projections(5, 8, seed=1)
    for y in range(5):
        losses = supcon_loss(
            [y, 0, 1, 2, 3, 4],
            np.concatenate([x[None], weights]),
            normalize=False,
            temperature=1.0,
            **variant,
        )
        expected = tf.nn.sparse_softmax_cross_entropy_with_logits(
            y, weights @ x
        )
        np.testing.assert_allclose(losses[0], expected, rtol=1e-10)


def test_with_one_positive_l_in_is_l_out():
    z = random_projections(6, 4)
    labels = [0, 1, 2, 0, 1, 2]
    for denominator in DENOMINATORS:
        np.testing.assert_allclose(
            supcon_loss(labels, z, denominator=denominator),
            supcon_loss(labels, z, denominator=denominator, summation="inside"),
            rtol=1e-10,
        )


def test_hard_positives_and_negatives_have_larger_gradients_than_easy_ones():
    """Supplementary of the paper: the normalisation does that.

    The gradient with respect to an anchor before the normalisation holds a
    positive or negative times the sine of its angle to the anchor: one in the
    anchor's direction, or opposed to it, does not move the anchor.
    """

    def of_anchor(angle_of_positive, angle_of_negative):
        angles = np.radians([0.0, angle_of_positive, angle_of_negative])
        z = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        z = tf.constant(z)
        with tf.GradientTape() as tape:
            tape.watch(z)
            loss = supcon_loss([0, 0, 1], z, temperature=1.0)[0]
        return np.linalg.norm(tape.gradient(loss, z)[0])

    easy_positive, hard_positive = of_anchor(5, 180), of_anchor(90, 180)
    assert hard_positive > 5 * easy_positive
    easy_negative, hard_negative = of_anchor(0, 175), of_anchor(0, 90)
    assert hard_negative > 5 * easy_negative


@pytest.mark.parametrize(
    "labels",
    [np.array([0, 1, 0, 2]), np.eye(3)[[0, 1, 0, 2]], [[0], [1], [0], [2]]],
    ids=["ids", "one-hot", "column"],
)
def test_a_mask_of_equal_labels_is_the_labels(labels):
    z = random_projections(4, 2, 3)
    mask = np.array([0, 1, 0, 2])[:, None] == np.array([0, 1, 0, 2])
    np.testing.assert_allclose(
        supcon_loss(None, z, positives_mask=mask),
        supcon_loss(labels, z),
        rtol=1e-10,
    )


def test_an_unlabeled_image_is_a_negative_of_all_others():
    z = random_projections(5, 2, 3)
    np.testing.assert_allclose(
        supcon_loss([0, 1, 0, -1, -1], z, unlabeled_label=-1),
        supcon_loss([0, 1, 0, 2, 3], z),
        rtol=1e-10,
    )


# --- Never NaN.

EXTREMES = {
    "zero vectors": np.zeros((6, 2, 4)),
    "some zero rows": random_projections(6, 2, 4)
    * np.array([1, 0, 1, 0, 1, 1])[:, None, None],
    "norm 1e3": random_projections(6, 2, 4) * 1e3,
    "norm 1e-4": random_projections(6, 2, 4) * 1e-4,
    "all equal": np.ones((6, 2, 4)),
    "exactly opposed": np.ones((6, 2, 4)) * np.array([1, -1])[None, :, None],
    "opposed images": np.ones((6, 2, 4))
    * np.array([1, -1, 1, 1, -1, -1])[:, None, None],
    "one view": random_projections(6, 1, 4),
    "batch of 1": random_projections(1, 2, 4),
    "batch of 1, one view": random_projections(1, 1, 4),
}


# Half precision is float32 after the first cast (tests/losses/pairs/
# test_projections.py), so float32 is enough here.
@pytest.mark.slow
# Each extreme meets Eq. 2 dense and in tiles, and another variant in turn.
@pytest.mark.parametrize(
    ("extreme", "variant"),
    [
        (extreme, variant)
        for number, extreme in enumerate(EXTREMES)
        for variant in (
            VARIANTS[0],
            TILED[0],
            [*VARIANTS[1:], TILED[1]][number % len(VARIANTS)],
        )
    ],
)
def test_value_and_gradient_are_finite(extreme, variant):
    values = EXTREMES[extreme]
    z = tf.cast(values, tf.float32)
    labels = {
        "of classes": [0, 1, 0, 2, 1, 0],
        "one class": [3] * 6,  # no negatives
        "all differ": range(6),  # with one view: no positives
    }
    for labelling, temperature, normalize in pairwise(
        labelling=list(labels.values()),
        temperature=[0.005, 10.0],
        normalize=[True, False],
    ):
        losses, gradient = value_and_gradient(
            list(labelling)[: len(values)],
            z,
            temperature=temperature,
            normalize=normalize,
            **variant,
        )
        case = (labelling, temperature, normalize)
        assert np.isfinite(losses).all(), case
        assert np.isfinite(gradient.astype("float32")).all(), case
        if normalize:
            is_zero = ~values.any(axis=-1)
            assert not gradient.astype("float32")[is_zero].any()


@pytest.mark.parametrize("summation", SUMMATIONS)
def test_without_negatives_only_negatives_contributes_0(summation):
    losses, gradient = value_and_gradient(
        [5] * 4,
        random_projections(4, 2, 3),
        denominator="only_negatives",
        summation=summation,
    )
    assert not losses.any()
    assert not gradient.any()


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
@pytest.mark.parametrize("temperature", [0.005, 0.02, 0.0251, 10.0])
def test_float32_is_exact_at_every_temperature(implementation, temperature):
    z = random_projections(6, 2, 4)
    losses = supcon_loss(
        [0, 1, 0, 2, 1, 0],
        z.astype("float32"),
        temperature=temperature,
        implementation=implementation,
    )
    expected = supcon_by_loops([0, 1, 0, 2, 1, 0], z, temperature=temperature)
    np.testing.assert_allclose(
        losses, expected, rtol=1e-5, atol=1e-5 / temperature * 0.1
    )


@pytest.mark.slow
@pytest.mark.parametrize("floatx", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    "options",
    [
        {"implementation": "dense"},
        {"implementation": "tiled"},
        {"positives_cap": 2},
        {"anchors": "first"},
    ],
    ids=str,
)
def test_a_half_precision_floatx_changes_no_value(options, floatx):
    z = np.random.default_rng(0).normal(size=(8, 2, 4)).astype("float32")
    labels = np.arange(8) % 3
    expected = SupConLoss(**options)(labels, z)
    keras.config.set_floatx(floatx)
    try:
        value = SupConLoss(**options)(labels, z)
    finally:
        keras.config.set_floatx("float32")
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    assert float(value) == pytest.approx(float(expected), rel=1e-6)
