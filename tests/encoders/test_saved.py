import sys
import zipfile

import keras
import numpy as np
import pytest

from supcon_tf.encoders import resnet18
from supcon_tf.encoders.saved import load_encoder


@pytest.mark.slow
def test_a_written_encoder_is_read_back(tmp_path):
    encoder = resnet18((8, 8, 3), width=0.125, stem="small_image")
    encoder.save(tmp_path / "encoder.keras")
    images = np.random.default_rng(0).random((2, 8, 8, 3), "float32")
    again = load_encoder(str(tmp_path))
    np.testing.assert_array_equal(again(images), encoder(images))


def test_keras_casts_integers_before_a_layer_could_scale_them(tmp_path):
    """Why nothing inside of encoder.keras can tell uint8 from floats.

    When this fails, a first layer that divides integers by 255 would do, and
    what the manual and the docstrings say of uint8 can go.
    """
    seen = []

    class Looking(keras.layers.Layer):
        def call(self, images):
            seen.append(keras.backend.standardize_dtype(images.dtype))
            return images

    images = keras.Input((2, 2, 3))
    model = keras.Model(images, keras.layers.Flatten()(Looking()(images)))
    model(np.zeros((1, 2, 2, 3), np.uint8))
    assert set(seen) == {"float32"}


@pytest.mark.parametrize("workdir", [None, "", "/nowhere"])
def test_a_folder_without_encoder_is_refused(workdir):
    with pytest.raises(ValueError, match="`workdir` must"):
        load_encoder(workdir)


def test_a_damaged_encoder_is_named(tmp_path):
    path = tmp_path / "encoder.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save(path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"encoder.keras must be a whole"):
        load_encoder(tmp_path)


def test_an_encoder_with_code_is_read_by_those_who_trust_it(tmp_path):
    path = tmp_path / "encoder.keras"
    double = keras.layers.Lambda(lambda x: 2 * x)
    keras.Sequential([keras.Input((4,)), double]).save(path)
    with pytest.raises(ValueError, match="safe_mode=False") as error:
        load_encoder(tmp_path)
    assert len(str(error.value).splitlines()) == 1
    encoder = load_encoder(tmp_path, safe_mode=False)
    np.testing.assert_array_equal(encoder(np.ones((1, 4))), 2 * np.ones((1, 4)))


def test_weights_that_are_not_finite_are_refused(tmp_path):
    encoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    encoder.layers[0].bias.assign([0.0, np.nan, 0.0])
    encoder.save(tmp_path / "encoder.keras")
    with pytest.raises(ValueError, match=r"NaN or infinity in .*bias"):
        load_encoder(tmp_path)


def test_layers_of_a_package_that_is_missing_are_told_by_its_extra(
    tmp_path, monkeypatch
):
    path = tmp_path / "encoder.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save(path)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    dense = b'"module": "keras.layers", "class_name": "Dense"'
    assert dense in files["config.json"]
    files["config.json"] = files["config.json"].replace(
        dense, b'"module": "keras_hub.src.models", "class_name": "ViTEncoder"'
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(ValueError) as error:
        load_encoder(tmp_path)
    assert str(error.value) == (
        f"{path} needs KerasHub, which `pip install supcon_tf[keras_hub]` "
        "brings. Received: no such package"
    )
