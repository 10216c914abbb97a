import keras
import numpy as np
import pytest
from keras import layers
from often import often

from hub_export.saved_model import write_saved_model
from supcon_tf.encoders import initial, resnet18
from supcon_tf.encoders.initial import initial_encoder
from supcon_tf.encoders.pretrained import PRETRAINED
from supcon_tf.encoders.saved import load_encoder

SHAPE = (16, 16, 3)
IMAGES = np.random.default_rng(0).random((2, *SHAPE), "float32")
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def make_encoder(shape=SHAPE):
    encoder = resnet18(shape, width=0.125, stem="small_image")
    encoder(IMAGES, training=True)
    return encoder


@pytest.mark.slow
@pytest.mark.parametrize("part", ["", "encoder.keras"])
def test_a_run_is_gone_on_from_by_its_folder_or_file(part, tmp_path):
    encoder = make_encoder()
    encoder.save(tmp_path / "encoder.keras")
    again = initial_encoder(tmp_path / part, SHAPE)
    np.testing.assert_allclose(again(IMAGES), encoder(IMAGES), **CLOSE)


@pytest.mark.release
@pytest.mark.parametrize(
    "shape", often([SHAPE, (None, None, 3)], (None, None, 3))
)
def test_a_saved_model_is_gone_on_from(shape, tmp_path):
    encoder = make_encoder(shape)
    write_saved_model(encoder, tmp_path / "model")
    again = initial_encoder(tmp_path / "model", SHAPE)
    np.testing.assert_allclose(again(IMAGES), encoder(IMAGES), **CLOSE)
    assert again.output_shape == (None, 64)
    assert len(again.trainable_weights) == len(encoder.trainable_weights)
    again.weights[0].assign(2 * again.weights[0])
    again.save(tmp_path / "encoder.keras")
    with pytest.raises(ValueError, match="HubEncoder must not be read in safe"):
        initial_encoder(tmp_path, SHAPE)
    for third in (
        initial_encoder(tmp_path, SHAPE, safe_mode=False),
        load_encoder(tmp_path, safe_mode=False),
    ):
        np.testing.assert_array_equal(third(IMAGES), again(IMAGES))


@pytest.mark.slow
def test_a_keras_cv_preset_is_gone_on_from_with_weights(monkeypatch):
    def preset(name, input_shape, *, pretrained):
        assert (name, input_shape, pretrained) == ("NAME", SHAPE, True)
        return encoder

    encoder = make_encoder()
    monkeypatch.setattr(initial, "keras_cv_preset", preset)
    assert initial_encoder("keras_cv:NAME", SHAPE) is encoder


def freeze_all(encoder):
    encoder.trainable = False


def freeze_some(encoder):
    for layer in encoder.layers[:20]:
        layer.trainable = False


def freeze_inside(encoder):
    encoder.layers[0].layers[2].trainable = False


@pytest.mark.slow
@pytest.mark.parametrize("freeze", [freeze_all, freeze_some, freeze_inside])
def test_every_layer_is_trained_also_a_frozen_one(freeze, tmp_path):
    encoder = make_encoder()
    weights = len(encoder.trainable_weights)
    if freeze is freeze_inside:
        encoder = keras.Sequential([keras.Input(SHAPE), encoder])
    freeze(encoder)
    encoder.save(tmp_path / "some.keras")
    again = initial_encoder(tmp_path / "some.keras", SHAPE)
    assert len(again.trainable_weights) == weights
    assert all(weight.trainable for weight in again.trainable_weights)


@pytest.mark.parametrize("where", ["", "/nowhere", "/nowhere.keras", "tests"])
def test_what_is_not_there_is_refused(where):
    with pytest.raises(ValueError) as error:
        initial_encoder(where, SHAPE)
    message = str(error.value)
    assert message.startswith("`initial_encoder` must be a .keras file, the wo")
    assert f"Received: initial_encoder={where!r}" in message


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "damaged.keras"
    path.write_bytes(b"not a zip file")
    with pytest.raises(ValueError, match=r"damaged.keras must be a whole Ker"):
        initial_encoder(path, SHAPE)


@pytest.mark.slow
def test_images_of_another_size_are_refused(tmp_path):
    encoder = make_encoder()
    encoder.save(tmp_path / "encoder.keras")
    with pytest.raises(ValueError, match=r"`input_shape` must be \(16, 16, 3"):
        initial_encoder(tmp_path, (32, 32, 3))
    head = [layers.Flatten(), layers.Dense(4)]
    fixed = keras.Sequential([keras.Input(SHAPE), *head])
    write_saved_model(fixed, tmp_path / "fixed")
    with pytest.raises(ValueError) as error:
        initial_encoder(tmp_path / "fixed", (32, 32, 3))
    assert str(error.value) == (
        "`initial_encoder` must be a SavedModel that takes float32 images of "
        "this size. Received: initial_encoder="
        f"{str(tmp_path / 'fixed')!r}, images of (32, 32, 3)"
    )


def test_an_unknown_pretrained_one_is_answered_with_the_known_ones():
    with pytest.raises(ValueError) as error:
        initial_encoder("supcon_tf:NOPE", SHAPE)
    assert str(error.value) == (
        f"`initial_encoder` must be supcon_tf: and one of {sorted(PRETRAINED)}."
        " Received: initial_encoder='supcon_tf:NOPE'"
    )


def test_a_damaged_saved_model_is_named_by_the_argument(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"\x12\x34 damaged")
    with pytest.raises(ValueError) as error:
        initial_encoder(tmp_path, SHAPE)
    message = str(error.value)
    assert message.startswith("`initial_encoder` must be a whole SavedModel")
    assert f"Received: initial_encoder={str(tmp_path)!r}" in message


@pytest.mark.parametrize("layer", [layers.ReLU(), layers.Reshape((-1, 3))])
def test_a_model_that_returns_no_features_is_refused(layer, tmp_path):
    path = tmp_path / "maps.keras"
    keras.Sequential([keras.Input(SHAPE), layer]).save(path)
    with pytest.raises(ValueError, match=r"return features \[B, R\], R known"):
        initial_encoder(path, SHAPE)


def test_a_saved_model_that_returns_no_features_is_refused(monkeypatch):
    monkeypatch.setattr(initial, "HubEncoder", lambda *a, **k: layers.ReLU())
    with pytest.raises(ValueError, match=r"return features \[B, R\]"):
        initial_encoder("https://example.org/model", SHAPE)
