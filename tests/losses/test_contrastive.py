"""What every contrastive loss shares: labels kept exact, reduction, queue."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from equations import LABELS, random_projections, supcon_by_loops

from supcon_tf.losses.contrastive import ContrastiveLoss
from supcon_tf.losses.supcon import SupConLoss, supcon_loss


@pytest.mark.parametrize(
    "labels",
    [
        [16777216, 16777217, 16777216, 16777218, 16777217, 16777216],
        [2**40, 2**40 + 1, 2**40, 5, 2**40 + 1, 2**40],
        [-1, -(2**62), -1, 2**62, -(2**62), -1],
    ],
)
def test_labels_that_float32_cannot_tell_apart_are_told_apart(labels):
    z = random_projections(6, 2, 4)
    expected = supcon_by_loops(LABELS, z).mean()
    for shape in [(6,), (6, 1)]:
        loss = SupConLoss()(np.array(labels).reshape(shape), z)
        np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.slow
def test_the_labels_stay_exact_in_fit():
    z = random_projections(6, 4).astype("float32")
    labels = np.array(LABELS) + 16777216
    model = keras.Sequential([keras.Input((4,)), keras.layers.Identity()])
    model.compile(loss=SupConLoss())
    loss = model.evaluate(z, labels, verbose=0)
    np.testing.assert_allclose(
        loss, supcon_by_loops(LABELS, z).mean(), rtol=1e-5
    )


def test_fit_without_labels_trains_with_nt_xent():
    x = random_projections(8, 2, 6).astype("float32")
    model = keras.Sequential([keras.Input((2, 6)), keras.layers.Dense(4)])
    model.compile(loss=SupConLoss(), optimizer=keras.optimizers.SGD(0.0))
    history = model.fit(x, batch_size=8, verbose=0)
    np.testing.assert_allclose(
        history.history["loss"][0],
        supcon_by_loops(None, model(x)).mean(),
        rtol=1e-5,
    )


@pytest.mark.slow
def test_a_model_with_embeddings_learns_with_labels_of_either_shape():
    x = random_projections(64, 6).astype("float32")
    labels = (x[:, 0] > 0).astype(int)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    model.compile(loss=SupConLoss(), optimizer=keras.optimizers.SGD(0.05))
    before = model.evaluate(x, labels, batch_size=64, verbose=0)
    model.fit(x, labels, epochs=5, verbose=0)
    model.fit(x, labels[:, None], epochs=5, verbose=0)
    assert model.evaluate(x, labels, batch_size=64, verbose=0) < before - 0.1


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean"])
def test_sample_weights_weigh_the_images(reduction):
    z = random_projections(6, 2, 4)
    weights = np.array([1.0, 2.0, 0.0, 1.0, 0.5, 3.0])
    loss = SupConLoss(reduction=reduction, dtype="float64")
    np.testing.assert_allclose(
        loss(np.array(LABELS), z, sample_weight=weights),
        (supcon_by_loops(LABELS, z) * weights).sum() / 6,
        rtol=1e-12,
    )


def test_the_reductions_are_those_of_keras():
    z, labels = random_projections(6, 2, 4), np.array(LABELS)
    each = supcon_by_loops(LABELS, z)
    none = SupConLoss(reduction=None, dtype="float64")(labels, z)
    np.testing.assert_allclose(none, each, rtol=1e-12)
    total = SupConLoss(reduction="sum", dtype="float64")(labels, z)
    np.testing.assert_allclose(total, each.sum(), rtol=1e-12)


def test_the_loss_is_serialisable():
    loss = SupConLoss(
        0.3,
        normalize=False,
        summation="inside",
        anchors="first",
        scale_by_temperature=True,
        unlabeled_label=-1,
        implementation="dense",
        reduction="sum",
        name="mine",
        dtype="float64",
    )
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()
    assert again.variant == loss.variant
    assert again.temperature == 0.3
    assert again.unlabeled_label == -1
    assert again.dtype == "float64"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_half_precision_loss_is_refused(dtype):
    with pytest.raises(ValueError, match="'float32' or 'float64'"):
        SupConLoss(dtype=dtype)


def test_the_loss_object_clips_gradients_of_half_precision_too():
    z = tf.cast(random_projections(4, 2, 8) * 1e-6, tf.float16)
    with tf.GradientTape() as tape:
        tape.watch(z)
        loss = SupConLoss()([0, 1, 0, 1], z)
    gradient = tape.gradient(loss, z).numpy()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() == np.finfo(np.float16).max


def test_a_keras_mask_does_not_count():
    x = random_projections(6, 2, 4).astype("float32")
    x[2, 1] = 0  # which Masking takes for padding
    model = keras.Sequential([keras.Input((2, 4)), keras.layers.Masking()])
    model.compile(loss=SupConLoss())
    loss = model.evaluate(x, np.array(LABELS), batch_size=6, verbose=0)
    np.testing.assert_allclose(loss, np.mean(supcon_loss(LABELS, x)), rtol=1e-5)


def test_the_loss_object_takes_a_queue():
    z = random_projections(6, 2, 4)
    queue = (np.repeat(LABELS[2:], 2), z[2:].reshape(-1, 4), [True] * 8)
    loss = SupConLoss(dtype="float64")
    np.testing.assert_allclose(
        loss(LABELS[:2], z[:2], queue=queue),
        np.mean(supcon_loss(LABELS, z)[:2]),
        rtol=1e-12,
    )


def test_sample_weights_of_another_number_are_refused():
    with pytest.raises(ValueError, match=r"`sample_weight` must have shape"):
        SupConLoss()(LABELS, random_projections(6, 2, 4), np.ones(5))


class MeanSquare(ContrastiveLoss):
    """A loss of somebody's own, without a value at collapse."""

    def losses_of_images(self, labels, projections, queue=None):
        return keras.ops.mean(keras.ops.square(projections), axis=(1, 2))


class Pull(MeanSquare):
    def losses_of_points(self, sizes, gap):
        return sizes.same + gap


def test_a_loss_of_ones_own_is_reduced_and_serialised_like_the_others():
    z = random_projections(6, 2, 4)
    loss = MeanSquare(reduction="sum", dtype="float64", name="mine")
    np.testing.assert_allclose(
        loss(LABELS, z, [1.0, 0, 0, 0, 0, 2.0]),
        np.mean(z[0] ** 2) + 2 * np.mean(z[5] ** 2),
        rtol=1e-12,
    )
    config = loss.get_config()
    assert MeanSquare.from_config(config).get_config() == config
    assert config["dtype"] == "float64"


def test_a_loss_tells_its_reference_values_if_it_has_losses_of_points():
    assert not MeanSquare().has_reference_values()
    assert Pull().has_reference_values() and Pull().has_floor()
    z = np.zeros((6, 2, 4))
    collapsed, floor = Pull().reference_values(LABELS, z)
    # Classes of 3, 2 and 1 images: 9 + 4 + 1; the simplex of 3 has a gap of
    # 1 + 1/2.
    np.testing.assert_allclose(collapsed, 14 / 6, rtol=1e-6)
    np.testing.assert_allclose(floor, 14 / 6 + 1.5, rtol=1e-6)
