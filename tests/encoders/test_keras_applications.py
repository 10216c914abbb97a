"""Networks of keras.applications, with random weights or those of a file."""

import keras
import numpy as np
import pytest
from keras import applications

from supcon_tf.encoders.initial import initial_encoder
from supcon_tf.encoders.keras_applications import (
    application_names,
    keras_application,
)

SHAPE = (64, 64, 3)
IMAGES = np.random.default_rng(0).random((2, *SHAPE), "float32")


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    """Weights as Keras publishes them, and the network that has them."""
    keras.utils.set_random_seed(3)
    network = applications.MobileNetV2(
        include_top=False, weights=None, input_shape=SHAPE
    )
    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    network.save_weights(path)
    return path, network


def test_every_network_of_keras_has_a_preprocessing():
    assert {"EfficientNetB0", "MobileNetV3Small", "ConvNeXtTiny"} < set(
        application_names()
    )


@pytest.mark.slow
def test_the_weights_of_a_file_and_the_networks_own_scaling(weights_file):
    path, network = weights_file
    encoder = initial_encoder(f"keras:MobileNetV2:{path}", SHAPE)
    scaled = applications.mobilenet_v2.preprocess_input(255 * IMAGES)
    expected = np.mean(network(scaled), axis=(1, 2))
    np.testing.assert_allclose(encoder(IMAGES), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.release
def test_a_network_that_scales_by_itself_gets_0_to_255():
    keras.utils.set_random_seed(0)
    encoder = keras_application("MobileNetV3Small", SHAPE, weights=None)
    keras.utils.set_random_seed(0)
    network = applications.MobileNetV3Small(
        include_top=False, weights=None, input_shape=SHAPE
    )
    expected = np.mean(network(255 * IMAGES), axis=(1, 2))
    np.testing.assert_allclose(encoder(IMAGES), expected, rtol=1e-4, atol=1e-5)


def test_without_a_network_the_error_names_the_file_and_the_way_out(
    monkeypatch,
):
    url = "https://example.com/weights/mobilenet_v2_no_top.h5"

    def offline(**kwargs):
        raise Exception(f"URL fetch failure on {url}: None -- [Errno -2] ...")

    monkeypatch.setattr(applications, "MobileNetV2", offline)
    with pytest.raises(ValueError) as error:
        initial_encoder("keras:MobileNetV2", SHAPE)
    text = str(error.value)
    assert f"put mobilenet_v2_no_top.h5 from {url} into" in text
    assert "supcon_tf:cifar10_resnet18_w025" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("keras:EfficientNetBO", "such as EfficientNetB"),
        ("keras:MobileNetV2:nowhere.h5", "nowhere.h5, which is none"),
    ],
)
def test_other_names_and_files_are_refused(where, message):
    with pytest.raises(ValueError, match=message) as error:
        initial_encoder(where, SHAPE)
    assert "\n" not in str(error.value)


def test_too_small_images_are_refused_in_one_line():
    with pytest.raises(ValueError, match="must take images of") as error:
        keras_application("MobileNetV2", (16, 16, 3), weights=None)
    assert "\n" not in str(error.value)
