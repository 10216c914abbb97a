import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from equations import random_projections

from supcon_tf import SupConLoss, supcon_loss
from supcon_tf.losses.pairs import tiles
from supcon_tf.metrics.geometry import (
    alignment,
    anchors_without_positives,
    collapsed_loss,
    contrastive_top_1,
    loss_floor,
    tolerance,
    top_1_accuracy,
    uniformity,
)

LABELS = [0, 1, 0, 2, 1, 0]
VARIANTS = [
    {"denominator": denominator, **options}
    for denominator in ("all", "one_positive", "only_negatives")
    for options in ({}, {"positives_cap": 6}, {"unlabeled_label": 0})
] + [{"summation": "inside"}, {"scale_by_temperature": True}]


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "TILE_SIZE", 5)


def simplex(corners):
    """`[corners, corners]`: unit vectors, any two as far apart as can be."""
    points = np.eye(corners) - 1 / corners
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.mark.slow
@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("labels", [None, LABELS, [3] * 6])
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_collapsed_loss_is_the_loss_of_identical_projections(
    views, labels, variant
):
    z = np.ones((6, views, 4), "float32")
    np.testing.assert_allclose(
        collapsed_loss(labels, z, SupConLoss(0.2, **variant)),
        np.mean(supcon_loss(labels, z, temperature=0.2, **variant)),
        rtol=1e-6,
        atol=1e-7,
    )


@pytest.mark.parametrize(
    "variant",
    [{}, {"denominator": "one_positive"}, {"denominator": "only_negatives"}],
)
def test_collapsed_loss_counts_what_the_queue_holds(variant):
    z = np.ones((3, 2, 4), "float32")
    queue = ([0, 1, 1, 5], z[:2].reshape(4, 4), [True, True, True, False])
    loss = SupConLoss(0.2, **variant)
    np.testing.assert_allclose(
        collapsed_loss([0, 1, 0], z, loss, queue),
        loss([0, 1, 0], z, queue=queue),
        rtol=1e-6,
    )


def test_the_floor_counts_the_classes_of_the_queue():
    # Three classes as a simplex; the third is in the queue alone.
    simplex = np.eye(3) - 1 / 3
    z, queue = simplex[[0, 0, 1, 1]], ([0, 1, 2], simplex, [True] * 3)
    loss = SupConLoss(0.5)
    np.testing.assert_allclose(
        loss_floor([0, 0, 1, 1], z, loss, queue),
        loss([0, 0, 1, 1], z, queue=queue),
        rtol=1e-6,
    )


def test_collapsed_loss_takes_projections_without_a_views_axis():
    z = np.ones((4, 8), "float32")
    np.testing.assert_allclose(
        collapsed_loss([0, 0, 1, 1], z), np.log(3), rtol=1e-6
    )
    assert collapsed_loss([0], np.ones((1, 8))) == 0


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("temperature", [0.005, 1.0])
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_loss_floor_is_the_loss_of_a_simplex(views, temperature, variant):
    labels = [0, 1, 0, 2, 1, 2]
    if "unlabeled_label" in variant:
        labels = [0, 1, 1, 2, 1, 2]
    corners = simplex(3)[labels]
    z = np.repeat(corners[:, None], views, axis=1)
    loss = SupConLoss(temperature, **variant)
    np.testing.assert_allclose(
        loss_floor(labels, z, loss),
        np.mean(supcon_loss(labels, z, temperature=temperature, **variant)),
        rtol=1e-4,
        atol=1e-5,
    )


def test_no_projections_of_balanced_classes_go_below_the_floor():
    """They are sought with gradient descent, which ends on the floor."""
    labels = [0, 0, 0, 1, 1, 1, 2, 2, 2]
    loss = SupConLoss(0.5)
    z = tf.Variable(random_projections(9, 4).astype("float32"))
    optimizer = keras.optimizers.Adam(0.1)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss(np.array(labels), z)
        optimizer.apply([tape.gradient(value, z)], [z])
        return value

    values = [step().numpy() for _ in range(200)]
    floor = loss_floor(labels, z, loss)
    assert floor - 1e-5 <= min(values) <= floor * 1.01


def test_the_floor_of_one_class_is_its_collapse():
    z = np.ones((4, 2, 3))
    np.testing.assert_allclose(loss_floor([1] * 4, z), np.log(7), rtol=1e-6)
    np.testing.assert_allclose(collapsed_loss([1] * 4, z), np.log(7), rtol=1e-6)


def test_anchors_without_positives_are_the_only_ones_of_their_class():
    one_view = np.ones((6, 4))
    assert anchors_without_positives(LABELS, one_view) == 1
    assert anchors_without_positives(None, one_view) == 6
    assert anchors_without_positives(LABELS, one_view, unlabeled_label=0) == 4
    assert anchors_without_positives(LABELS, np.ones((6, 2, 4))) == 0


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("labels", [LABELS, None])
def test_contrastive_top_1_looks_at_the_nearest_contrast(views, labels):
    z = random_projections(6, views, 3)
    flat = z.reshape(-1, 3)
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    similarities = flat @ flat.T
    np.fill_diagonal(similarities, -np.inf)
    ids = np.repeat(range(6) if labels is None else labels, views)
    same = ids[:, None] == ids
    has_positive = same.sum(1) > 1
    is_right = ids[similarities.argmax(1)] == ids
    expected = is_right[has_positive].mean() if has_positive.any() else 0
    np.testing.assert_allclose(contrastive_top_1(labels, z), expected)


def test_contrastive_top_1_of_a_collapsed_encoder_is_0():
    assert contrastive_top_1(LABELS, np.ones((6, 2, 4))) == 0
    assert contrastive_top_1(range(6), np.ones((6, 4))) == 0


def positive_pairs(labels, z):
    """All (x, y) of a class, x not y, as unit vectors."""
    views = z.shape[1]
    ids = np.repeat(range(len(z)) if labels is None else labels, views)
    flat = z.reshape(-1, z.shape[-1])
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    return flat, [
        (flat[i], flat[j])
        for i, j in itertools.permutations(range(len(flat)), 2)
        if ids[i] == ids[j]
    ]


@pytest.mark.parametrize(("labels", "views"), [(LABELS, 1), (None, 2)])
def test_alignment_tolerance_and_uniformity_are_those_of_loops(labels, views):
    z = random_projections(6, views, 3)
    flat, pairs = positive_pairs(labels, z)
    np.testing.assert_allclose(
        alignment(labels, z),
        np.mean([((x - y) ** 2).sum() for x, y in pairs]),
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        tolerance(labels, z), np.mean([x @ y for x, y in pairs]), rtol=1e-5
    )
    distances = [
        ((x - y) ** 2).sum() for x, y in itertools.permutations(flat, 2)
    ]
    np.testing.assert_allclose(
        uniformity(labels, z),
        np.log(np.mean(np.exp(-2 * np.array(distances)))),
        rtol=1e-5,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "metric",
    [
        alignment,
        tolerance,
        uniformity,
        contrastive_top_1,
        anchors_without_positives,
        collapsed_loss,
        loss_floor,
    ],
)
def test_metrics_are_finite_without_pairs_and_serve_as_keras_metrics(metric):
    for z in (np.ones((1, 4)), np.zeros((2, 4)), np.zeros((1, 2, 4))):
        value = metric(list(range(len(z))), z)
        assert value.dtype == "float32"
        assert value.shape == ()
        assert np.isfinite(value)
    x = random_projections(12, 4).astype("float32")
    labels = np.arange(12) % 3
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile(loss=SupConLoss(), metrics=[metric])
    logged = model.evaluate(x, labels, verbose=0, return_dict=True)
    np.testing.assert_allclose(
        logged[metric.__name__], metric(labels, model(x)), rtol=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("metric", [uniformity, contrastive_top_1, loss_floor])
def test_a_model_with_metrics_can_be_saved_and_loaded(metric, tmp_path):
    x, labels = random_projections(8, 4).astype("float32"), np.arange(8) % 3
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile(loss=SupConLoss(), metrics=[metric])
    logged = model.evaluate(x, labels, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.evaluate(x, labels, verbose=0), logged)


def test_metrics_of_an_empty_batch_are_0():
    for metric in (uniformity, contrastive_top_1, alignment, collapsed_loss):
        assert metric(np.zeros(0, int), np.zeros((0, 2, 4))) == 0


def test_top_1_accuracy_is_the_share_of_right_argmaxes():
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    assert top_1_accuracy(scores, np.array([1, 0, 0, 0])) == 0.5
