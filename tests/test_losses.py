"""The loss against loops straight from Eq. 2, in value and gradient."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from supcon_tf import SupConLoss, supcon_loss


def eq_2(labels, projections, temperature=0.1, normalize=True):
    """Eq. 2 of the paper, one anchor and one positive at a time, float64."""
    z = np.asarray(projections, np.float64)
    if z.ndim == 2:
        z = z[:, None]
    batch, views, _ = z.shape
    if normalize:
        z = z / np.linalg.norm(z, axis=-1, keepdims=True)
    if labels is None:
        labels = range(batch)
    items = [(b, v) for b in range(batch) for v in range(views)]
    losses = np.zeros(batch)
    for b, v in items:
        others = [item for item in items if item != (b, v)]
        positives = [p for p in others if labels[p[0]] == labels[b]]
        total = sum(np.exp(z[b, v] @ z[a] / temperature) for a in others)
        for p in positives:
            similarity = z[b, v] @ z[p] / temperature
            losses[b] -= (similarity - np.log(total)) / len(positives) / views
    return losses


def numerical_gradient(function, x, step=1e-6):
    gradient = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up) - function(down)) / (2 * step)
    return gradient


def value_and_gradient(labels, projections, **kwargs):
    projections = tf.convert_to_tensor(projections)
    with tf.GradientTape() as tape:
        tape.watch(projections)
        losses = supcon_loss(labels, projections, **kwargs)
    return losses.numpy(), tape.gradient(losses, projections).numpy()


def random_projections(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


LABELS = [0, 1, 0, 2, 1, 0]  # class 2 has a single image


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("labels", [LABELS, None])
def test_value_and_gradient_are_those_of_eq_2(
    views, temperature, normalize, labels
):
    z = random_projections(6, views, 4)
    kwargs = {"temperature": temperature, "normalize": normalize}
    losses, gradient = value_and_gradient(labels, z, **kwargs)
    assert losses.dtype == np.float64
    np.testing.assert_allclose(losses, eq_2(labels, z, **kwargs), rtol=1e-12)
    expected = numerical_gradient(lambda z: eq_2(labels, z, **kwargs).sum(), z)
    np.testing.assert_allclose(gradient, expected, atol=2e-6)


def test_projections_without_a_views_axis_are_one_view():
    z = random_projections(6, 5)
    np.testing.assert_array_equal(
        supcon_loss(LABELS, z), supcon_loss(LABELS, z[:, None])
    )


def test_an_anchor_without_positives_has_loss_0_and_counts_in_the_mean():
    z = random_projections(6, 8)
    losses, gradient = value_and_gradient(LABELS, z)
    assert losses[3] == 0
    assert np.isfinite(gradient).all()
    mean = SupConLoss(dtype="float64")(np.array(LABELS), z)
    np.testing.assert_allclose(mean, losses.sum() / 6, rtol=1e-12)


def test_a_batch_of_one_single_view_has_loss_0_and_gradient_0():
    losses, gradient = value_and_gradient([7], random_projections(1, 4))
    assert losses.tolist() == [0]
    assert not gradient.any()


def test_without_labels_it_is_nt_xent():
    z = random_projections(5, 2, 3)
    np.testing.assert_array_equal(
        supcon_loss(None, z), supcon_loss(np.arange(5), z)
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(dtype):
    z = tf.cast(random_projections(6, 2, 16), dtype)
    losses = supcon_loss(LABELS, z, temperature=0.01)
    assert losses.dtype == tf.float32
    np.testing.assert_allclose(
        losses, eq_2(LABELS, tf.cast(z, tf.float64), 0.01), rtol=1e-4
    )


@pytest.mark.parametrize("size", [1e-30, 1e-3, 1e3, 1e30])
def test_the_length_of_a_projection_does_not_matter(size):
    z = random_projections(6, 2, 4).astype("float32")
    losses, gradient = value_and_gradient(LABELS, z * np.float32(size))
    np.testing.assert_allclose(losses, eq_2(LABELS, z), rtol=1e-4)
    assert np.isfinite(gradient).all()


def test_a_zero_vector_has_similarity_0_and_gradient_exactly_0():
    z = random_projections(6, 2, 4)
    z[1, 0] = 0
    losses, gradient = value_and_gradient(LABELS, z)
    assert np.isfinite(losses).all()
    assert np.isfinite(gradient).all()
    assert not gradient[1, 0].any()
    unit = z / np.maximum(np.linalg.norm(z, axis=-1, keepdims=True), 1e-300)
    np.testing.assert_allclose(
        losses, eq_2(LABELS, unit, normalize=False), rtol=1e-12
    )


@pytest.mark.parametrize("temperature", [0.005, 10.0])
def test_opposed_and_equal_projections_stay_finite(temperature):
    z = np.ones((6, 2, 4), "float32")
    for projections in (z, z * np.array([1, -1], "float32")[None, :, None]):
        losses, gradient = value_and_gradient(
            LABELS, projections, temperature=temperature
        )
        assert np.isfinite(losses).all()
        assert np.isfinite(gradient).all()


def test_the_loss_of_identical_projections_is_log_of_the_contrasts():
    z = np.ones((8, 2, 4))
    np.testing.assert_allclose(
        supcon_loss(np.arange(8) % 3, z), np.log(15), rtol=1e-12
    )


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
    expected = eq_2(LABELS, z).mean()
    for shape in [(6,), (6, 1)]:
        loss = SupConLoss()(np.array(labels).reshape(shape), z)
        np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_the_labels_stay_exact_in_fit():
    z = random_projections(6, 4).astype("float32")
    labels = np.array(LABELS) + 16777216
    model = keras.Sequential([keras.Input((4,)), keras.layers.Identity()])
    model.compile(loss=SupConLoss())
    loss = model.evaluate(z, labels, verbose=0)
    np.testing.assert_allclose(loss, eq_2(LABELS, z).mean(), rtol=1e-5)


def test_fit_without_labels_trains_with_nt_xent():
    x = random_projections(8, 2, 6).astype("float32")
    model = keras.Sequential([keras.Input((2, 6)), keras.layers.Dense(4)])
    model.compile(loss=SupConLoss(), optimizer=keras.optimizers.SGD(0.0))
    history = model.fit(x, batch_size=8, verbose=0)
    np.testing.assert_allclose(
        history.history["loss"][0], eq_2(None, model(x)).mean(), rtol=1e-5
    )


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
        (eq_2(LABELS, z) * weights).sum() / 6,
        rtol=1e-12,
    )


def test_the_reductions_are_those_of_keras():
    z, labels = random_projections(6, 2, 4), np.array(LABELS)
    each = eq_2(LABELS, z)
    none = SupConLoss(reduction=None, dtype="float64")(labels, z)
    np.testing.assert_allclose(none, each, rtol=1e-12)
    total = SupConLoss(reduction="sum", dtype="float64")(labels, z)
    np.testing.assert_allclose(total, each.sum(), rtol=1e-12)


def test_the_batch_size_may_be_unknown():
    loss = SupConLoss()

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([None, 2, 4]),
        ]
    )
    def compiled(labels, z):
        return loss(labels, z)

    z = random_projections(6, 2, 4).astype("float32")
    np.testing.assert_allclose(
        compiled(np.array(LABELS), z), eq_2(LABELS, z).mean(), rtol=1e-5
    )


def test_it_compiles_under_xla():
    z = random_projections(6, 2, 4).astype("float32")
    compiled = tf.function(supcon_loss, jit_compile=True)
    np.testing.assert_allclose(
        compiled(tf.constant(LABELS), z), eq_2(LABELS, z), rtol=1e-4
    )


def test_the_loss_is_serialisable():
    loss = SupConLoss(
        0.3, normalize=False, reduction="sum", name="mine", dtype="float64"
    )
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()
    assert again.temperature == 0.3
    assert again.dtype == "float64"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": 0}, "`temperature` must be > 0. Received: temp"),
        ({"temperature": -1.0}, "`temperature` must be > 0. Received: temp"),
        ({"labels": [0, 1]}, "same batch size. Received: 2 labels and 6"),
        ({"labels": np.eye(6)}, "`labels` must have shape [B] or [B, 1]"),
        ({"labels": [0.5] * 6}, "`labels` must be integers. Received"),
        ({"projections": np.ones(6)}, "must have shape [B, V, D] or [B, D]"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    arguments = {
        "labels": LABELS,
        "projections": np.ones((6, 2, 4)),
        **arguments,
    }
    with pytest.raises(ValueError) as error:
        supcon_loss(**arguments)
    assert message in str(error.value)


def test_float_labels_must_be_whole_numbers():
    z = random_projections(6, 2, 4)
    whole = SupConLoss()(np.array(LABELS, "float32"), z)
    np.testing.assert_allclose(whole, eq_2(LABELS, z).mean(), rtol=1e-5)
    with pytest.raises(ValueError, match=r"whole numbers. Received: 0.5"):
        SupConLoss()(np.array([0.5, 1, 2, 0, 1, 2]), z)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_half_precision_loss_is_refused(dtype):
    with pytest.raises(ValueError, match="'float32' or 'float64'"):
        SupConLoss(dtype=dtype)
