import keras
import numpy as np
import pytest
import tensorflow as tf
from equations import random_projections
from pairwise import pairwise

from supcon_tf.losses.supcon import SupConLoss, supcon_loss
from supcon_tf.metrics.loss_values import collapsed_loss, loss_floor

LABELS = [0, 1, 0, 2, 1, 0]
VARIANTS = [
    {"denominator": denominator, **options}
    for denominator in ("all", "one_positive", "only_negatives")
    for options in ({}, {"positives_cap": 6}, {"unlabeled_label": 0})
] + [{"summation": "inside"}, {"scale_by_temperature": True}]


def simplex(corners):
    """`[corners, corners]`: unit vectors, any two as far apart as can be."""
    points = np.eye(corners) - 1 / corners
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("views", "labels", "variant"),
    pairwise(views=[1, 2, 3], labels=[None, LABELS, [3] * 6], variant=VARIANTS),
)
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


@pytest.mark.slow
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


@pytest.mark.slow
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
