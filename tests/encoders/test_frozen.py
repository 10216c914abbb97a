"""Encoders of all forms, at their own size, to be evaluated."""

import keras
import numpy as np
import pytest

from hub_export.archive import write_archive
from hub_export.saved_model import write_saved_model
from supcon_tf import load_pretrained
from supcon_tf.encoders.frozen import frozen_encoder


def make_encoder(shape=(10, 12, 3), pooling=None):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Conv2D(5, 3),
            keras.layers.BatchNormalization(),
            pooling or keras.layers.GlobalAveragePooling2D(),
        ]
    )


def assert_same(encoder, expected, size):
    images = np.random.default_rng(0).random((2, *size, 3), "float32")
    np.testing.assert_allclose(
        encoder(images), expected(images), rtol=1e-5, atol=1e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize("part", ["", "encoder.keras"])
def test_a_run_or_a_file_has_its_own_size(part, tmp_path):
    expected = make_encoder()
    expected.save(tmp_path / "encoder.keras")
    encoder, size = frozen_encoder(tmp_path / part)
    assert size == (10, 12)
    assert encoder.trainable_weights == []
    assert_same(encoder, expected, size)


@pytest.mark.slow
@pytest.mark.parametrize("is_archive", [False, True])
@pytest.mark.parametrize(
    ("shape", "size"), [((10, 12, 3), (10, 12)), ((None, None, 3), (32, 32))]
)
def test_a_saved_model_has_its_own_size_or_32(
    shape, size, is_archive, tmp_path
):
    # (One that pools takes any size, whatever it was made for.)
    expected = make_encoder(shape, keras.layers.Flatten() if shape[0] else None)
    where = tmp_path / "model"
    write_saved_model(expected, where)
    if is_archive:
        write_archive(where, tmp_path / "model.tar.gz")
        where = tmp_path / "model.tar.gz"
    encoder, got = frozen_encoder(where)
    assert got == size
    assert encoder.trainable_weights == []
    assert_same(encoder, expected, size)


@pytest.mark.slow
def test_a_pretrained_encoder_has_the_size_of_its_training():
    encoder, size = frozen_encoder("supcon_tf:cifar10_resnet18_w025")
    assert size == (32, 32)
    assert_same(encoder, load_pretrained("cifar10_resnet18_w025"), size)


def test_an_encoder_of_any_size_takes_the_size_that_is_asked_for(tmp_path):
    make_encoder((None, None, 3)).save(tmp_path / "encoder.keras")
    assert frozen_encoder(tmp_path)[1] == (32, 32)
    assert frozen_encoder(tmp_path, image_size=9)[1] == (9, 9)


@pytest.mark.slow
def test_another_size_than_its_own_is_refused(tmp_path):
    make_encoder().save(tmp_path / "encoder.keras")
    with pytest.raises(ValueError) as error:
        frozen_encoder(tmp_path, image_size=32)
    assert str(error.value) == (
        "`image_size` must be that of (10, 12, 3), which the model was made "
        "for. Received: image_size=32"
    )
    fixed = make_encoder(pooling=keras.layers.Flatten())
    write_saved_model(fixed, tmp_path / "fixed")
    with pytest.raises(ValueError) as error:
        frozen_encoder(tmp_path / "fixed", image_size=32, name="baseline")
    where = str(tmp_path / "fixed")
    assert str(error.value) == (
        "`baseline` must be a SavedModel that takes float32 images of this "
        f"size. Received: baseline={where!r}, images of (32, 32, 3)"
    )


@pytest.mark.parametrize("name", ["encoder", "baseline"])
@pytest.mark.parametrize(
    "where", [None, "", "missing", "missing.keras", "supcon_tf:x", "empty"]
)
def test_what_is_no_encoder_is_named_by_its_argument(
    where, name, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError) as error:
        frozen_encoder(where, name=name)
    text = str(error.value)
    assert "initial_encoder" not in text
    assert "\n" not in text
    assert text.startswith(f"`{name}` must be ")
    assert f"Received: {name}={where!r}" in text


@pytest.mark.parametrize("contents", [b"", b"no model"])
def test_damaged_files_are_named(contents, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (folder / "saved_model.pb", tmp_path / "encoder.keras"):
        path.write_bytes(contents)
        with pytest.raises(ValueError, match="must be a whole") as error:
            frozen_encoder(path.parent)
        assert "handle" not in str(error.value)


def test_what_returns_maps_is_no_encoder(tmp_path):
    images = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(4, 3)(images)
    keras.Model(images, maps).save(tmp_path / "maps.keras")
    with pytest.raises(ValueError, match="`encoder` must take images"):
        frozen_encoder(tmp_path / "maps.keras")
