import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from supcon_tf.encoders.from_keras_cv import from_keras_cv, keras_cv_preset

# (It takes seconds to import and builds large models.)
pytestmark = pytest.mark.slow

IMAGES = np.random.default_rng(0).random((2, 32, 32, 3), "float32")


def make_backbone(include_rescaling=True):
    """A ResNet of two blocks."""
    import keras_cv

    return keras_cv.models.ResNetBackbone(
        stackwise_filters=[8, 16],
        stackwise_blocks=[1, 1],
        stackwise_strides=[1, 2],
        include_rescaling=include_rescaling,
        block_type="block",
    )


def make_mobilenet():
    """One with layers of KerasCV's own."""
    import keras_cv

    return keras_cv.models.MobileNetV3Backbone(
        stackwise_expansion=[1, 2],
        stackwise_filters=[8, 16],
        stackwise_kernel_size=[3, 3],
        stackwise_stride=[2, 2],
        stackwise_se_ratio=[None, 0.25],
        stackwise_activation=["relu", "hard_swish"],
        include_rescaling=True,
    )


@pytest.mark.parametrize("include_rescaling", [False, True])
def test_it_equals_the_original_under_its_own_preprocessing(include_rescaling):
    backbone = make_backbone(include_rescaling)
    encoder = from_keras_cv(backbone, input_shape=(32, 32, 3))
    assert encoder.input_shape == (None, 32, 32, 3)
    assert encoder.output_shape == (None, 64)
    largest = 255 if include_rescaling else 1
    expected = np.mean(backbone(largest * IMAGES), (1, 2))
    other = np.mean(backbone(256 / largest * IMAGES), (1, 2))
    np.testing.assert_allclose(encoder(IMAGES), expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(other, expected, rtol=1e-1)


def test_images_are_normalised_for_a_backbone_without_rescaling():
    mean, std = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
    backbone = make_backbone(include_rescaling=False)
    encoder = from_keras_cv(backbone, mean=mean, std=std, pooling="max")
    images = np.float32((IMAGES - mean) / std)
    np.testing.assert_allclose(
        encoder(IMAGES), np.max(backbone(images), (1, 2)), rtol=1e-3, atol=1e-4
    )


LOAD = """
import sys
import keras, numpy as np
encoder = keras.saving.load_model(sys.argv[1])
np.save(sys.argv[1] + ".npy", encoder(np.load(sys.argv[2])))
assert ("keras_cv" in sys.modules) == (sys.argv[3] == "True")
"""


@pytest.mark.release
@pytest.mark.parametrize(
    ("make", "needs_keras_cv"),
    [
        pytest.param(make_backbone, False, marks=pytest.mark.release),
        (make_mobilenet, True),
    ],
)
def test_a_saved_encoder_is_loaded_by_another_process(
    make, needs_keras_cv, tmp_path
):
    encoder = from_keras_cv(make(), name="encoder")
    path = str(tmp_path / "encoder.keras")
    encoder.save(path)
    np.save(tmp_path / "images.npy", IMAGES)
    images = str(tmp_path / "images.npy")
    command = [sys.executable, "-c", LOAD, path, images, str(needs_keras_cv)]
    subprocess.run(command, check=True)
    features = np.load(path + ".npy")
    np.testing.assert_allclose(features, encoder(IMAGES), rtol=1e-5, atol=1e-6)


def test_a_preset_comes_with_its_weights(tmp_path):
    backbone = make_backbone()
    write_preset(backbone, tmp_path, weights="model.weights.h5")
    encoder = keras_cv_preset(str(tmp_path), (32, 32, 3), pretrained=True)
    expected = from_keras_cv(backbone)(IMAGES)
    np.testing.assert_allclose(encoder(IMAGES), expected, rtol=1e-5, atol=1e-6)
    assert encoder.input_shape == (None, 32, 32, 3)


def test_a_preset_without_weights_is_no_pretrained_one(tmp_path):
    write_preset(make_backbone(), tmp_path, weights=None)
    assert keras_cv_preset(str(tmp_path), (32, 32, 3)).weights
    with pytest.raises(ValueError, match="preset and its weights must be"):
        keras_cv_preset(str(tmp_path), (32, 32, 3), pretrained=True)


def write_preset(backbone, folder, weights):
    """The files of a preset, as KerasCV's own are."""
    config = keras.saving.serialize_keras_object(backbone)
    config.pop("build_config", None)
    (folder / "config.json").write_text(
        json.dumps({**config, "weights": weights})
    )
    if weights:
        backbone.save_weights(folder / weights)


def test_an_unknown_preset_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'resnet50_imagenet'.*cv:resnet51"):
        keras_cv_preset("resnet51", (32, 32, 3))


def test_a_preset_that_cannot_be_downloaded_is_one_line(monkeypatch):
    import kagglehub

    def no_network(*args):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(kagglehub, "model_download", no_network)
    with pytest.raises(ValueError) as error:
        keras_cv_preset("resnet50_imagenet", (224, 224, 3))
    assert str(error.value) == (
        "The KerasCV preset must be there: in the cache of kagglehub, or to be "
        "downloaded. Received: keras_cv:resnet50_imagenet, "
        "ConnectionError: no route"
    )


def test_without_a_network_the_innermost_reason_is_told(monkeypatch):
    """What is around it is of several lines, of hosts, pools and tries."""
    import kagglehub
    import requests
    import urllib3

    def no_network(*args):
        reason = OSError(-2, "Name or service not known")
        pool = urllib3.exceptions.MaxRetryError(None, "api.kaggle.com", reason)
        pool.__cause__ = reason
        raise requests.ConnectionError(f"HTTPSConnectionPool: {pool}") from pool

    monkeypatch.setattr(kagglehub, "model_download", no_network)
    with pytest.raises(ValueError) as error:
        keras_cv_preset("resnet50_imagenet", (224, 224, 3), pretrained=True)
    assert str(error.value) == (
        "The KerasCV preset and its weights must be there: in the cache of "
        "kagglehub, or to be downloaded. Received: keras_cv:resnet50_imagenet, "
        "ConnectionError: [Errno -2] Name or service not known"
    )


@pytest.mark.parametrize(
    ("backbone", "options", "message"),
    [
        (keras.Sequential, {}, "`backbone` must be a KerasCV backbone of im"),
        (make_backbone, {"std": (1, 1, 1), "mean": (0, 0, 0)}, "only for a b"),
        (
            lambda: make_backbone(include_rescaling=False),
            {"mean": (0, 0, 0)},
            "`mean` and `std` must be given together",
        ),
        (
            lambda: make_backbone(include_rescaling=False),
            {"mean": (0, 0, 0), "std": (1, 0, 1)},
            "`mean` and `std` must be three floats each",
        ),
        (make_backbone, {"input_shape": (32, 32, 1)}, "`input_shape` must be"),
    ],
)
def test_bad_arguments_are_refused(backbone, options, message):
    with pytest.raises(ValueError) as error:
        from_keras_cv(backbone(), **options)
    assert message in str(error.value)
