"""An encoder tells its size, its resizing and whose vectors are its own."""

import dataclasses
import json

import keras
import pytest

from supcon_tf.photographs.asked_encoder import (
    AskedEncoder,
    asked_encoder,
    head_name,
    weights_fingerprint,
)


def trained_again(model):
    other = keras.models.clone_model(model)
    other.set_weights([weight + 0.1 for weight in model.get_weights()])
    return other


def write_workdir(folder, encoder, **facts):
    folder.mkdir()
    encoder.save(folder / "encoder.keras")
    config = {"image_size": 12, "dataset": "folder", "encoder": "tiny"}
    (folder / "config.json").write_text(json.dumps(config | facts))
    return folder


def test_a_workdir_tells_its_size_and_resizing(any_size_encoder, tmp_path):
    workdir = write_workdir(tmp_path / "w", any_size_encoder)
    assert asked_encoder(workdir).image_size == (12, 12)
    assert asked_encoder(workdir).resizing == "center_crop"
    results = {"config": {"eval_augmentation": "resize_then_crop"}}
    (workdir / "linear_eval.json").write_text(json.dumps(results))
    assert asked_encoder(workdir).resizing == "resize_then_crop"
    (workdir / "linear_eval.json").write_text("[]")
    with pytest.raises(ValueError, match=r"linear_eval\.json must hold the"):
        asked_encoder(workdir)


@pytest.mark.slow
def test_a_size_that_nobody_tells_is_asked_for(
    any_size_encoder, encoder_file, tmp_path
):
    assert asked_encoder(encoder_file).image_size == (8, 8)
    any_size_encoder.save(tmp_path / "any.keras")
    with pytest.raises(ValueError, match="`image_size` must be given with an"):
        asked_encoder(tmp_path / "any.keras")
    asked = asked_encoder(tmp_path / "any.keras", image_size=20)
    assert asked.image_size == (20, 20)
    with pytest.raises(ValueError, match="`image_size` must be that of"):
        asked_encoder(encoder_file, image_size=20)
    for where in (None, "", tmp_path / "none"):
        with pytest.raises(
            ValueError, match=r"`encoder` must be a \.keras file"
        ):
            asked_encoder(where)


def test_the_fingerprint_tells_weights_size_and_resizing(color_encoder):
    asked = AskedEncoder(color_encoder, (8, 8))
    same = AskedEncoder(color_encoder, (8, 8))
    assert asked.fingerprint == same.fingerprint
    other = trained_again(color_encoder)
    head = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    changes = (
        {"encoder": other},
        {"image_size": (9, 8)},
        {"resizing": "resize_then_crop"},
        {"head": head},
    )
    prints = {dataclasses.replace(asked, **x).fingerprint for x in changes}
    assert len(prints | {asked.fingerprint}) == 5


def test_a_head_of_another_encoder_is_refused(color_encoder, tmp_path):
    workdir = write_workdir(tmp_path / "w", color_encoder, image_size=8)
    layers = [keras.Input((5,)), keras.layers.Dense(2)]
    own = keras.Sequential(layers, name=head_name(color_encoder))
    own.save(workdir / "similarity_head.keras")
    assert asked_encoder(workdir).num_features == 2
    assert asked_encoder(workdir, with_head=False).num_features == 5
    other = trained_again(color_encoder)
    assert weights_fingerprint(other) != weights_fingerprint(color_encoder)
    other.save(workdir / "encoder.keras")  # trained again
    with pytest.raises(ValueError, match="must be trained on this encoder"):
        asked_encoder(workdir)


def test_an_unknown_resizing_is_refused(color_encoder):
    with pytest.raises(ValueError, match="`resizing` must be one of"):
        AskedEncoder(color_encoder, (8, 8), "squeeze")
