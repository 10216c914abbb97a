import itertools

import keras
import numpy as np
import pytest
from equations import random_projections
from often import often

from supcon_tf import SupConLoss
from supcon_tf.losses.pairs import tiles
from supcon_tf.metrics.geometry import (
    alignment,
    anchors_without_positives,
    contrastive_top_1,
    tolerance,
    uniformity,
)
from supcon_tf.metrics.loss_values import collapsed_loss, loss_floor

LABELS = [0, 1, 0, 2, 1, 0]


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "TILE_SIZE", 5)


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
    often(
        [
            *(alignment, tolerance, uniformity, contrastive_top_1),
            *(anchors_without_positives, collapsed_loss, loss_floor),
        ],
        *(tolerance, contrastive_top_1, loss_floor),
    ),
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
@pytest.mark.parametrize(
    "metric",
    often([uniformity, contrastive_top_1, loss_floor], contrastive_top_1),
)
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
