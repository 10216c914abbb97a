"""KerasHub's backbones, small and random, as encoders and as local presets."""

import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from often import often

keras_hub = pytest.importorskip("keras_hub")

from supcon_tf.encoders.from_keras_hub import (  # noqa: E402
    from_keras_hub,
    keras_hub_preset,
    not_there,
)

# (KerasHub takes seconds to import.)
pytestmark = pytest.mark.slow

IMAGES = np.random.default_rng(0).random((2, 32, 32, 3), "float32")
# Another factor and shift for each channel, as of presets from ImageNet.
SCALE = (1 / 60.0, 1 / 50.0, 1 / 40.0)
OFFSET = (-2.0, -1.5, -1.0)


def resnet():
    return keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
    )


def efficientnet():
    return keras_hub.models.EfficientNetBackbone(
        width_coefficient=1.0,
        depth_coefficient=1.0,
        stackwise_kernel_sizes=[3],
        stackwise_num_repeats=[1],
        stackwise_input_filters=[8],
        stackwise_output_filters=[16],
        stackwise_expansion_ratios=[1],
        stackwise_squeeze_and_excite_ratios=[0.25],
        stackwise_strides=[2],
        stackwise_block_types=["v1"],
    )


def vit():
    return keras_hub.models.ViTBackbone(
        image_shape=(32, 32, 3),
        patch_size=8,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=32,
    )


def dinov2():
    return keras_hub.models.DINOV2Backbone(
        patch_size=8,
        num_layers=1,
        hidden_dim=16,
        num_heads=2,
        intermediate_dim=32,
        num_register_tokens=3,
        image_shape=(32, 32, 3),
        position_embedding_shape=(32, 32),
    )


BACKBONES = {
    "resnet": (resnet, keras_hub.layers.ResNetImageConverter),
    "efficientnet": (efficientnet, keras_hub.layers.EfficientNetImageConverter),
    "vit": (vit, keras_hub.layers.ViTImageConverter),
    "dinov2": (dinov2, keras_hub.layers.DINOV2ImageConverter),
}
TOKENS_BEFORE_PATCHES = {"vit": 1, "dinov2": 4}  # class token and registers


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    """name -> (folder of the preset, its backbone with random weights)."""
    found = {}
    for name, (make, converter) in BACKBONES.items():
        keras.utils.set_random_seed(1)
        folder = tmp_path_factory.mktemp(name)
        backbone = make()
        backbone.save_to_preset(str(folder))
        converter(
            image_size=(24, 24), scale=SCALE, offset=OFFSET
        ).save_to_preset(str(folder))
        found[name] = (str(folder), backbone)
    return found


def outputs_of(backbone, images=IMAGES):
    """The backbone's own outputs for images in [0, 1], scaled by hand."""
    scaled = np.float32(255 * images * np.array(SCALE) + np.array(OFFSET))
    named = isinstance(backbone.input, dict)
    return np.array(backbone({"images": scaled} if named else scaled))


@pytest.mark.parametrize("name", often(BACKBONES.keys(), "resnet", "dinov2"))
def test_a_preset_comes_with_its_weights_and_its_own_scaling(name, presets):
    folder, backbone = presets[name]
    encoder = from_keras_hub(folder, input_shape=(32, 32, 3))
    outputs = outputs_of(backbone)
    if outputs.ndim == 4:
        expected = outputs.mean((1, 2))
    else:
        expected = outputs[:, TOKENS_BEFORE_PATCHES[name] :].mean(1)
        assert outputs.shape[1] == TOKENS_BEFORE_PATCHES[name] + 16
    np.testing.assert_allclose(encoder(IMAGES), expected, rtol=1e-4, atol=1e-5)
    assert encoder.input_shape == (None, 32, 32, 3)
    # Images that are not scaled so would give something else.
    other = from_keras_hub(
        backbone,
        image_converter=keras_hub.layers.ImageConverter(scale=1 / 255),
        input_shape=(32, 32, 3),
    )
    assert not np.allclose(other(IMAGES), expected, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("name", often(TOKENS_BEFORE_PATCHES.keys(), "vit"))
def test_the_class_token_is_the_representation_if_asked_for(name, presets):
    folder, backbone = presets[name]
    expected = outputs_of(backbone)[:, 0]
    for encoder in (
        from_keras_hub(folder, pooling="token"),
        keras_hub_preset(folder),
    ):
        np.testing.assert_allclose(
            encoder(IMAGES), expected, rtol=1e-4, atol=1e-5
        )


def test_the_positions_of_dinov2_are_interpolated_to_another_size(presets):
    folder, _ = presets["dinov2"]
    encoder = keras_hub_preset(folder, (48, 48, 3))
    assert encoder.input_shape == (None, 48, 48, 3)
    images = np.repeat(np.repeat(IMAGES[:, :24, :24], 2, 1), 2, 2)
    resized = keras_hub.models.Backbone.from_preset(
        folder, image_shape=(48, 48, 3)
    )
    expected = outputs_of(resized, images)[:, 0]
    np.testing.assert_allclose(encoder(images), expected, rtol=1e-4, atol=1e-5)


def test_all_of_a_preset_is_trained_further(presets):
    from supcon_tf.encoders.initial import initial_encoder

    for name in ("resnet", "dinov2"):
        folder, backbone = presets[name]
        encoder = initial_encoder(f"keras_hub:{folder}", (32, 32, 3))
        trained = len(encoder.trainable_variables)
        # All but DINOv2's mask token, which no image has.
        assert trained == len(backbone.trainable_variables)
        assert len(encoder.output_shape) == 2


@pytest.mark.parametrize(
    "name", often(("efficientnet", "resnet"), "efficientnet")
)
def test_an_encoder_of_keras_layers_is_saved_without_a_trace_of_keras_hub(
    name, presets, tmp_path
):
    path = tmp_path / "encoder.keras"
    keras_hub_preset(presets[name][0], (32, 32, 3)).save(path)
    with zipfile.ZipFile(path) as archive:
        assert "keras_hub" not in archive.read("config.json").decode()


LOAD = """
import sys
import numpy as np
import keras
if sys.argv[2] == "False":
    sys.modules["keras_hub"] = None  # who imports it gets an ImportError
encoder = keras.saving.load_model(sys.argv[1] + "/encoder.keras")
images = np.load(sys.argv[1] + "/images.npy")
np.save(sys.argv[1] + "/features.npy", encoder(images))
"""


@pytest.mark.release
@pytest.mark.parametrize(
    ("name", "needs_keras_hub"),
    [("efficientnet", False), ("vit", True), ("dinov2", True)],
)
def test_a_saved_encoder_is_loaded_by_another_process(
    name, needs_keras_hub, presets, tmp_path
):
    encoder = keras_hub_preset(presets[name][0], (32, 32, 3))
    encoder.save(tmp_path / "encoder.keras")
    np.save(tmp_path / "images.npy", IMAGES)
    command = [sys.executable, "-c", LOAD, tmp_path, str(needs_keras_hub)]
    subprocess.run(command, check=True)
    features = np.load(tmp_path / "features.npy")
    np.testing.assert_allclose(features, encoder(IMAGES), rtol=1e-5, atol=1e-6)


def refused(message, *args, **kwargs):
    with pytest.raises(ValueError) as error:
        from_keras_hub(*args, **kwargs)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_what_cannot_be_an_encoder_is_refused_in_one_line(presets, tmp_path):
    folder, backbone = presets["resnet"]
    converter = keras_hub.layers.ImageConverter(scale=1 / 255)
    refused("`pooling` must be one of ['avg', 'token']", folder, pooling="max")
    refused("`image_converter` must be given with a backbone", backbone)
    refused(
        "`image_converter` must be None with a preset",
        folder,
        image_converter=converter,
    )
    refused(
        "`pooling` must be 'avg' with a backbone that has no class token",
        folder,
        pooling="token",
    )
    refused("The KerasHub preset of images must be there", str(tmp_path))
    refused(
        "`input_shape` must be (32, 32, 3)",
        presets["vit"][0],
        input_shape=(64, 64, 3),
    )
    text = keras_hub.models.BertBackbone(
        vocabulary_size=10, num_layers=1, num_heads=1, hidden_dim=4,
        intermediate_dim=4, max_sequence_length=4,
    )  # fmt: skip
    refused("a KerasHub backbone of images", text, image_converter=converter)


def test_a_failed_download_is_told_by_its_innermost_reason():
    inner = OSError(-2, "Name or service not known")
    outer = ConnectionError("HTTPSConnectionPool:\nmany lines")
    outer.__cause__ = inner
    assert str(not_there("KerasHub", "keras_hub:x", "", outer)) == (
        "The KerasHub preset must be there: in the cache of kagglehub, or to "
        "be downloaded. Received: keras_hub:x, ConnectionError: [Errno -2] "
        "Name or service not known"
    )
