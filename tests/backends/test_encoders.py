"""Encoders on every backend: the one that ships, ResNet and ViT."""

import keras
import numpy as np
import pytest

import supcon_tf
from supcon_tf.encoders import ENCODERS
from supcon_tf.encoders.hub_encoder import HubEncoder
from supcon_tf.encoders.initial import initial_encoder
from supcon_tf.errors import NeedsTensorFlowError

pytestmark = pytest.mark.release  # on TensorFlow; elsewhere all of them run

NAME = "cifar10_resnet18_w025"
ELSEWHERE = pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="TensorFlow does it"
)
# The features of `images`, as the SavedModel gives them on TensorFlow.
MEAN, LENGTH = 0.32954463, 11.138009


def images(size=32):
    return np.random.default_rng(0).random((4, size, size, 3), "float32")


def test_the_encoder_that_ships_gives_the_features_of_its_saved_model():
    encoder = supcon_tf.load_pretrained(NAME)
    features = encoder.predict(images(), verbose=0)
    assert features.mean() == pytest.approx(MEAN, rel=1e-5)
    assert np.linalg.norm(features) == pytest.approx(LENGTH, rel=1e-5)
    pixels = np.round(images() * 255).astype("uint8")
    np.testing.assert_allclose(
        encoder.predict(pixels, verbose=0),
        encoder.predict(pixels / np.float32(255), verbose=0),
        atol=1e-5,
    )


def test_it_trains_on_if_asked_and_takes_other_sizes():
    encoder = supcon_tf.load_pretrained(NAME, image_size=24, trainable=True)
    assert encoder.output_shape == (None, 128)
    assert len(encoder.trainable_weights) == 60
    assert not supcon_tf.load_pretrained(NAME).trainable_weights
    again = initial_encoder(f"supcon_tf:{NAME}", (32, 32, 3))
    np.testing.assert_allclose(
        again.predict(images(), verbose=0),
        supcon_tf.load_pretrained(NAME).predict(images(), verbose=0),
        atol=1e-6,
    )


@pytest.mark.parametrize("name", ["resnet18", "vit_ti16"])
def test_an_encoder_is_made_and_saved_and_loaded(name, tmp_path):
    encoder = ENCODERS[name]((32, 32, 3))
    encoder.save(tmp_path / "encoder.keras")
    again = keras.models.load_model(tmp_path / "encoder.keras")
    np.testing.assert_allclose(
        again.predict(images(), verbose=0),
        encoder.predict(images(), verbose=0),
        atol=1e-6,
    )


@ELSEWHERE
def test_a_saved_model_is_refused_in_one_line(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    for load in (HubEncoder, lambda x: initial_encoder(x, (32, 32, 3))):
        with pytest.raises(NeedsTensorFlowError) as caught:
            load(tmp_path)
        assert str(caught.value) == (
            "A SavedModel needs TensorFlow as backend: give the .keras file of "
            "the encoder, or set KERAS_BACKEND=tensorflow. Received: "
            f"backend={keras.backend.backend()!r}"
        )
