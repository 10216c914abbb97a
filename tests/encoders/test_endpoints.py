"""Tests of supcon_tf/encoders/endpoints.py: the maps inside an encoder."""

import keras
import numpy as np
import pytest

from supcon_tf import encoders
from supcon_tf.encoders.endpoints import with_endpoints
from supcon_tf.encoders.vit import vit


def make_images(size=32):
    return np.random.default_rng(0).random((2, size, size, 3), "float32")


@pytest.mark.slow
@pytest.mark.parametrize("build", [encoders.resnet18, encoders.resnet50])
def test_endpoints_of_a_resnet_are_its_groups(build):
    encoder = build((32, 32, 3), width=1 / 16, stem="small_image")
    outputs = with_endpoints(encoder)(make_images())
    groups = [f"block_group{i}" for i in range(1, 5)]
    assert list(outputs) == [*groups, "features"]
    assert [outputs[name].shape[1] for name in groups] == [32, 16, 8, 4]
    pooled = np.mean(outputs["block_group4"], axis=(1, 2))
    np.testing.assert_allclose(pooled, outputs["features"], rtol=1e-5)
    np.testing.assert_allclose(
        outputs["features"], encoder(make_images()), rtol=1e-5
    )


@pytest.mark.slow
def test_endpoints_of_a_vit_are_the_tokens_after_each_block():
    encoder = vit(
        (16, 16, 3),
        patch_size=8,
        hidden_size=6,
        depth=12,
        num_heads=2,
        mlp_size=8,
    )
    outputs = with_endpoints(encoder)(make_images(16))
    assert list(outputs) == [*(f"block{i}" for i in range(1, 13)), "features"]
    assert outputs["block12"].shape == (2, 5, 6)
    norm = encoder.get_layer("representation")
    np.testing.assert_allclose(
        norm(outputs["block12"][:, 0]), outputs["features"], atol=1e-6
    )


@pytest.mark.slow
def test_weights_are_shared_and_statistics_moved_once():
    encoder = encoders.resnet18((8, 8, 3), width=1 / 16, stem="small_image")
    network = with_endpoints(encoder)
    for own, other in zip(encoder.weights, network.weights, strict=True):
        assert own is other
    twin = keras.models.clone_model(encoder)
    twin.set_weights(encoder.get_weights())
    network(make_images(8), training=True)
    twin(make_images(8), training=True)
    for own, other in zip(encoder.weights, twin.weights, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-6)


def test_encoders_of_others_have_their_features():
    inputs = keras.Input((8, 8, 3))
    encoder = keras.Model(inputs, keras.layers.Flatten()(inputs))
    assert list(with_endpoints(encoder)(make_images(8))) == ["features"]


def test_subclassed_encoder_has_its_features():
    class Encoder(keras.Model):
        def call(self, images, training=False):
            return keras.ops.mean(images, axis=(1, 2))

    outputs = with_endpoints(Encoder())(make_images(8))
    assert list(outputs) == ["features"] and outputs["features"].shape == (2, 3)
