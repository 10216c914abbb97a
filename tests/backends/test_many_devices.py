"""On JAX, four devices train as one, and each computes its share of the loss.

tests/conftest.py makes JAX see four devices of one CPU.
"""

import contextlib

import keras
import numpy as np
import pytest
from gradients import value_and_gradient
from keras import layers
from trained_models import views_and_labels, weighted

from supcon_tf import ProjectionHead, SupConLoss, SupConModel
from supcon_tf.losses import contrastive
from supcon_tf.losses.pairs import tiles

pytestmark = [
    pytest.mark.release,  # on TensorFlow; on JAX all of them run
    pytest.mark.skipif(
        keras.backend.backend() != "jax", reason="keras.distribution is JAX's"
    ),
]
IMPLEMENTATIONS = pytest.mark.parametrize("implementation", ["dense", "tiled"])
MODELS = {
    "plain": {},
    "queue": {"queue_size": 16},
    "momentum": {"queue_size": 16, "encoder_momentum": 0.9},
    "temperature": {"learn_temperature": True},
}


@pytest.fixture(scope="module")
def four_devices():
    return keras.distribution.DataParallel()


@pytest.fixture
def exact():
    """Everything in float64, in which other roundings cannot be seen."""
    import jax

    jax.config.update("jax_enable_x64", True)
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    jax.config.update("jax_enable_x64", False)


def scope_of(devices):
    return contextlib.nullcontext() if devices is None else devices.scope()


def drawn(images, dim=8):
    generator = np.random.default_rng(0)
    z = generator.normal(size=(images, 2, dim)).astype("float32")
    return generator.integers(0, 5, images), z


def encoder(normalization):
    # Keras' BatchNormalization computes float64 in float32 on JAX.
    parts = [keras.Input((6, 6, 3)), layers.Conv2D(4, 3)]
    if normalization:
        parts.append(layers.BatchNormalization())
    parts += [layers.ReLU(), layers.Flatten()]
    return weighted(keras.Sequential(parts))


def fitted(devices, implementation, *, normalization=False, **options):
    """The logs and the weights after three epochs of three steps."""
    views, labels = views_and_labels()
    with scope_of(devices):
        head = ProjectionHead((8, 4))
        head.build((None, 64))
        model = SupConModel(encoder(normalization), weighted(head), **options)
        model.build((None, 2, 6, 6, 3))
        loss = SupConLoss(0.2, implementation=implementation)
        model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
        history = model.fit(
            views, labels, batch_size=8, epochs=3, shuffle=False, verbose=0
        )
    weights = [keras.ops.convert_to_numpy(weight) for weight in model.weights]
    return history.history["loss"], weights


@IMPLEMENTATIONS
@pytest.mark.parametrize("queued", [False, True])
def test_four_devices_have_the_loss_and_gradient_of_one(
    monkeypatch, four_devices, implementation, queued
):
    monkeypatch.setattr(tiles, "TILE_SIZE", 5)
    labels, z = drawn(32)
    more = {}
    if queued:
        more["queue"] = (labels[:24], z[:24, 0], np.arange(24) < 17)
    loss = SupConLoss(0.2, implementation=implementation)

    def found(devices):
        with scope_of(devices):
            return value_and_gradient(
                lambda z: loss(labels, z[::-1], **more), z
            )

    one, four = found(None), found(four_devices)
    assert four[0] == pytest.approx(one[0], abs=1e-6)
    np.testing.assert_allclose(four[1], one[1], rtol=0, atol=1e-6)
    assert np.abs(one[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("name", "implementation"),
    [
        ("plain", "tiled"),
        ("queue", "dense"),
        ("momentum", "tiled"),
        ("temperature", "tiled"),
    ],
)
def test_four_devices_train_the_weights_of_one(
    monkeypatch, exact, four_devices, name, implementation
):
    """It would find a queue that each device fills with its own rows alone."""
    monkeypatch.setattr(tiles, "TILE_SIZE", 5)
    losses, weights = fitted(None, implementation, **MODELS[name])
    of_four, weights_of_four = fitted(
        four_devices, implementation, **MODELS[name]
    )
    np.testing.assert_allclose(of_four, losses, rtol=0, atol=1e-6)
    # On JAX Keras makes the weight of the temperature one of float32.
    most = 1e-6 if name == "temperature" else 1e-9
    for ours, theirs in zip(weights_of_four, weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=most)


def test_batch_normalization_is_over_the_batch_of_all_devices(four_devices):
    """Over each device's own part the weights would be 0.1 apart."""
    losses, weights = fitted(None, "tiled", normalization=True)
    of_four, weights_of_four = fitted(four_devices, "tiled", normalization=True)
    np.testing.assert_allclose(of_four, losses, rtol=0, atol=1e-6)
    for ours, theirs in zip(weights_of_four, weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=5e-6)


def flops(loss, labels, z, devices=None):
    """What XLA counts for one device: the loss and its gradient, compiled."""
    import jax

    def both(labels, z):
        return jax.value_and_grad(lambda z: loss(labels, z))(z)

    with scope_of(devices):
        if devices is not None:
            mesh = devices.device_mesh.backend_mesh
            by_rows = jax.sharding.NamedSharding(
                mesh, jax.sharding.PartitionSpec("batch")
            )
            labels, z = jax.device_put((labels, z), by_rows)
        compiled = jax.jit(both).lower(labels, z).compile()
    return compiled.cost_analysis()["flops"]


def unrolled(start, stop, body, state):
    """As `tiles._loop`. XLA counts the body of a loop once."""
    for index in range(start, stop):
        state = body(index, *state)
    return state


@pytest.mark.parametrize(
    ("implementation", "tile_size", "most"),
    [
        ("dense", 896, 0.26),
        ("tiled", 896, 0.26),  # one tile
        # On one device a tile off the diagonal serves rows and columns.
        ("tiled", 64, 0.35),
    ],
)
def test_each_of_four_devices_computes_its_share_of_the_pairs(
    monkeypatch, four_devices, implementation, tile_size, most
):
    monkeypatch.setattr(tiles, "TILE_SIZE", tile_size)
    monkeypatch.setattr(tiles, "_loop", unrolled)
    labels, z = drawn(128, dim=64)
    loss = SupConLoss(0.2, implementation=implementation)
    of_one = flops(loss, labels, z)
    assert flops(loss, labels, z, four_devices) < most * of_one
    if tile_size == 64:  # what XLA does by itself
        monkeypatch.setattr(contrastive, "mesh_for", lambda rows: None)
        assert flops(loss, labels, z, four_devices) > of_one


def test_a_last_batch_that_the_devices_cannot_share_is_refused(four_devices):
    views, labels = views_and_labels()
    with four_devices.scope():
        model = SupConModel(encoder(False), None)
        model.compile("sgd", SupConLoss(0.2))
        for batch_size, received in (
            (6, "batches of 6 images and a last one of 5"),
            (20, "batches of 20 images and a last one of 3"),
        ):
            with pytest.raises(ValueError) as caught:
                model.fit(views[:23], labels[:23], batch_size, verbose=0)
            assert str(caught.value) == (
                "Each batch must be a multiple of the 4 devices that share it:"
                " choose `batch_size` so, and leave out the images that remain."
                f" Received: {received}"
            )
        with pytest.raises(ValueError, match="4 devices"):
            model.predict(views[:23], verbose=0)


def test_a_batch_that_cannot_be_shared_has_the_loss_of_one_device(four_devices):
    labels, z = drawn(6)
    loss = SupConLoss(0.2)
    one = value_and_gradient(lambda z: loss(labels, z), z)
    with four_devices.scope():
        whole = value_and_gradient(lambda z: loss(labels, z), z)
    assert whole[0] == pytest.approx(one[0], abs=1e-6)
    np.testing.assert_allclose(whole[1], one[1], rtol=0, atol=1e-6)


def test_a_jax_without_shard_map_is_named_in_one_line(
    monkeypatch, four_devices
):
    import jax

    monkeypatch.delattr(jax, "shard_map")
    labels, z = drawn(8)
    with (
        four_devices.scope(),
        pytest.raises(ValueError, match=r"must have jax >= 0\.6\.1\. Received"),
    ):
        value_and_gradient(lambda z: SupConLoss(0.2)(labels, z), z)
