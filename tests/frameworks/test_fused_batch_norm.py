"""BatchNormalization in one operation: what Keras computes, and its files."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from supcon_tf.encoders import resnet18
from supcon_tf.frameworks.fused_batch_norm import fuse_batch_norm
from supcon_tf.losses import SupConLoss
from supcon_tf.models.supcon_model import SupConModel

RNG = np.random.default_rng(0)
MAPS = RNG.normal(3, 2, [4, 5, 6, 7]).astype("float32")
UPSTREAM = RNG.normal(size=MAPS.shape).astype("float32")


def made(fused, **options):
    layer = layers.BatchNormalization(**options)
    layer.build((None, *MAPS.shape[1:]))
    for number, variable in enumerate(layer.trainable_variables):
        variable.assign_add(tf.fill(variable.shape, 0.5 - number))
    if fused:
        fuse_batch_norm(layer)
    return layer


def step(layer, inputs=MAPS, upstream=UPSTREAM, jit_compile=False, **call):
    """Outputs, gradients and moving averages of one step."""

    @tf.function(jit_compile=jit_compile)
    def compute(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True, **call)
        variables = [v.value for v in layer.trainable_variables]
        up = tf.cast(upstream, y.dtype)
        return y, tape.gradient(y, [x, *variables], up)

    y, gradients = compute(tf.constant(inputs))
    return [y, *gradients, *layer.non_trainable_variables]


def operations(layer, shape=MAPS.shape, dtype="float32"):
    graph = tf.function(
        lambda x: layer(x, training=True)
    ).get_concrete_function(tf.TensorSpec([None, *shape[1:]], dtype))
    return {op.type for op in graph.graph.get_operations()}


def assert_close(first, second, rtol, atol):
    for one, other in zip(first, second, strict=True):
        one, other = (np.asarray(tf.cast(a, "float64")) for a in (one, other))
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": False},
        {"center": False, "axis": 3},
        {"momentum": 0.5, "epsilon": 0.1},
        {"synchronized": True},
    ],
)
@pytest.mark.parametrize(
    "jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_a_step_is_that_of_keras(options, jit_compile):
    ours, kerass = made(True, **options), made(False, **options)
    assert "FusedBatchNormV3" in operations(ours)
    for _ in range(2):  # moving averages of moving averages
        assert_close(
            step(ours, jit_compile=jit_compile), step(kerass), 2e-5, 2e-6
        )


@pytest.mark.parametrize(("policy", "bits"), [("bfloat16", 8), ("float16", 11)])
def test_mixed_precision_rounds_the_outputs_alone(policy, bits):
    ours, kerass = (
        made(fused, dtype=f"mixed_{policy}") for fused in (True, False)
    )
    assert "FusedBatchNormV3" in operations(ours, dtype=policy)
    inputs = MAPS.astype(tf.as_dtype(policy).as_numpy_dtype)
    first, second = step(ours, inputs), step(kerass, inputs)
    assert [a.dtype for a in first] == [a.dtype for a in second]
    assert_close(first[:2], second[:2], 2.0**-bits * 2, 2.0**-bits * 2)
    # Sums over all activations, and the averages, which are in float32.
    assert_close(first[2:4], second[2:4], 0.01, 0.05)
    assert_close(first[4:], second[4:], 1e-5, 1e-6)


@pytest.mark.parametrize(
    ("options", "inputs"),
    [
        ({}, MAPS.reshape(-1, 7)),
        ({"axis": 1}, MAPS),
        ({"dtype": "float64"}, MAPS.astype("float64")),
        ({"dtype": "mixed_bfloat16"}, MAPS),
        ({"trainable": False}, MAPS),
    ],
    ids=["vectors", "channels first", "float64", "uncast", "frozen"],
)
def test_the_rest_is_left_to_keras(options, inputs):
    layer = layers.BatchNormalization(autocast=False, **options)
    layer.build((None, *inputs.shape[1:]))
    fuse_batch_norm(layer)
    assert "FusedBatchNormV3" not in operations(
        layer, inputs.shape, inputs.dtype
    )


def test_a_mask_is_left_to_keras():
    mask = np.arange(30).reshape(1, 5, 6).repeat(4, axis=0) % 3 > 0
    ours, kerass = made(True), made(False)
    assert_close(step(ours, mask=mask), step(kerass, mask=mask), 1e-6, 1e-7)


def test_a_subclass_keeps_its_own_call():
    class Doubled(layers.BatchNormalization):
        def call(self, inputs, **options):
            return 2 * inputs

    layer = Doubled()
    fuse_batch_norm(layer)
    np.testing.assert_array_equal(layer(MAPS, training=True), 2 * MAPS)


@pytest.mark.slow
def test_evaluation_and_files_are_those_of_keras(tmp_path):
    encoder = resnet18((8, 8, 3), width=1 / 16)
    model = SupConModel(encoder)
    model.compile(optimizer="sgd", loss=SupConLoss())
    images = RNG.random([8, 8, 8, 3], "float32")
    model.fit(images, np.arange(8) // 2, verbose=0, batch_size=8)
    assert "FusedBatchNormV3" in operations(encoder, images.shape)
    encoder.save(tmp_path / "encoder.keras")
    loaded = keras.saving.load_model(tmp_path / "encoder.keras")
    assert "FusedBatchNormV3" not in operations(loaded, images.shape)
    np.testing.assert_array_equal(
        loaded(images, training=False), encoder(images, training=False)
    )
    copy = keras.models.clone_model(encoder)
    assert "FusedBatchNormV3" not in operations(copy, images.shape)
