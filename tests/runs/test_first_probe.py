"""What a trained encoder is worth before a run trains it further."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from PIL import Image

from supcon_tf import pretrain
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.runs.first_probe import first_probe, recorded_probe

SIZES = {"batch_size": 4, "image_size": 4}


def mean_color():
    layers = [keras.Input((4, 4, 3)), keras.layers.GlobalAveragePooling2D()]
    return keras.Sequential(layers)


def colors(size):
    """Class c has all its light in channel c."""
    images = np.zeros((size, 4, 4, 3), np.uint8)
    labels = np.arange(size) % 3
    images[np.arange(size), :, :, labels] = 255
    return LabelledImages(images, labels, ("r", "g", "b"))


def test_it_is_the_probe_s_accuracy_on_the_held_out_images(tmp_path):
    held_out = colors(10)
    labels = np.r_[held_out.labels[:9], 1]  # the last one is wrong
    held_out = dataclasses.replace(held_out, labels=labels)
    value = first_probe(mean_color(), colors(30), held_out, tmp_path, **SIZES)
    assert value == pytest.approx(0.9)
    assert json.loads((tmp_path / "first_probe.json").read_text()) == {
        "top_1_accuracy": value,
        "num_train_images": 30,
        "num_held_out_images": 10,
    }


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"top_1_accuracy"', '{"top_1_accuracy": "0.5"}']
)
def test_what_was_recorded_is_read_and_a_torn_file_is_none(text, tmp_path):
    assert recorded_probe(tmp_path) is None
    first_probe(mean_color(), colors(30), colors(9), tmp_path, **SIZES)
    assert recorded_probe(tmp_path) == 1
    (tmp_path / "first_probe.json").write_text(text)
    assert recorded_probe(tmp_path) is None


def test_features_that_are_not_finite_have_no_accuracy(tmp_path):
    encoder = keras.Sequential(
        [mean_color(), keras.layers.Rescaling(float("nan"))]
    )
    parts = colors(30), colors(9)
    assert first_probe(encoder, *parts, tmp_path, **SIZES) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_run_from_a_trained_encoder_begins_with_a_first_answer(
    tmp_path, capsys
):
    random = np.random.default_rng(0)
    for name, channel in (("red", 0), ("blue", 2)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(8):
            pixels = random.integers(0, 60, (12, 12, 3), np.uint8)
            pixels[..., channel] += 180
            file = tmp_path / "photos" / name / f"{number}.png"
            Image.fromarray(pixels).save(file)
    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 1),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    encoder.save(tmp_path / "encoder.keras")
    call = [
        *("--recipe=photos", f"--data_dir={tmp_path}/photos"),
        *(f"--workdir={tmp_path}/W", "--image_size=8", "--epochs=2"),
        *(f"--initial_encoder={tmp_path}/encoder.keras", "--warmup_epochs=0"),
        *("--projection_units=8,4", "--stop_fraction=0.25", "--batch_size=4"),
        *("--samples_per_class=2", "--image_cache=none"),
    ]
    assert pretrain.main(call) == 0
    out = capsys.readouterr().out
    first, _, rest = out.partition("held-out training images after ")
    assert "First answer, from a linear probe" in first
    assert "by a linear probe before the training\n" in rest
    # A run that goes on has a trained encoder, of which a probe would tell no
    # first answer.
    for name in ("first_probe.json", "encoder.keras"):
        (tmp_path / "W" / name).unlink()
    assert pretrain.main(call) == 0
    out = capsys.readouterr().out
    assert "First answer" not in out and "before the training" not in out
    assert not (tmp_path / "W" / "first_probe.json").exists()
