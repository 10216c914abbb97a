"""The commands on every backend: pretraining, killed and gone on with."""

import json
import pathlib

import keras
import numpy as np
import pytest
from killed_pretraining import killed_after, losses
from PIL import Image

import supcon_tf
from supcon_tf.evaluate import main as evaluate
from supcon_tf.linear_eval import main as linear_eval
from supcon_tf.pretrain import main as pretrain

pytestmark = pytest.mark.release  # on TensorFlow; elsewhere all of them run


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    """Flags of a pretraining of the smallest encoder on a file of digits."""
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    train, test = supcon_tf.load_dataset("digits")
    np.savez(
        path,
        images=train.images[:192],
        labels=train.labels[:192],
        test_images=test.images[:64],
        test_labels=test.labels[:64],
    )
    return [
        "--recipe=digits", "--dataset=npz", f"--data_dir={path}",
        "--encoder=tiny", "--batch_size=64", "--epochs=4", "--views=device",
        "--queue_size=64", "--encoder_momentum=0.9",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def workdir(flags, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("whole")
    assert pretrain([*flags, f"--workdir={workdir}"]) == 0
    return workdir


def test_a_killed_run_goes_on_to_the_same_encoder(
    flags, workdir, tmp_path, capsys
):
    killed_after(flags, tmp_path, "checkpoint-00002.npz")
    assert not (tmp_path / "encoder.keras").exists()
    assert pretrain([*flags, f"--workdir={tmp_path}"]) == 0
    assert "goes on after epoch" in capsys.readouterr().out
    np.testing.assert_allclose(losses(tmp_path), losses(workdir), rtol=1e-6)
    encoders = [
        keras.saving.load_model(folder / "encoder.keras")
        for folder in (tmp_path, workdir)
    ]
    for found, expected in zip(
        *[encoder.get_weights() for encoder in encoders], strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_the_encoder_is_evaluated(workdir, tmp_path):
    assert linear_eval([f"--workdir={workdir}"]) == 0
    results = json.loads((workdir / "linear_eval.json").read_text())
    assert results["top_1_accuracy"] > 0.3
    assert (workdir / "classifier.keras").exists()
    output = pathlib.Path(tmp_path) / "evaluation"
    assert evaluate([f"--encoder={workdir}", f"--output={output}"]) == 0
    assert (output / "evaluation.json").exists()


def test_a_folder_of_photographs_is_pretrained_on(tmp_path):
    """Off TensorFlow Pillow reads it. Sides or colours that it exchanges would
    make the two classes one."""
    photos = tmp_path / "photos"
    pixels = np.zeros((40, 30, 3), np.uint8)
    for number in range(24):
        image = pixels.copy()
        # Blue above, or red above: grey and turned they are the same.
        image[:20, :, 2 * (number % 2)] = 200 + number
        path = photos / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    workdir = tmp_path / "run"
    on_tensorflow = keras.backend.backend() == "tensorflow"
    views = "host" if on_tensorflow else "device"
    flags = [
        "--recipe=digits", "--dataset=folder", f"--data_dir={photos}",
        "--encoder=tiny", "--image_size=16", "--batch_size=8", "--epochs=1",
        "--warmup_epochs=0", f"--views={views}", f"--workdir={workdir}",
    ]  # fmt: skip
    assert pretrain(flags) == 0
    assert np.isfinite(losses(workdir)).all()
    assert linear_eval([f"--workdir={workdir}"]) == 0
    results = json.loads((workdir / "linear_eval.json").read_text())
    assert results["top_1_accuracy"] == 1
    assert results["class_names"] == ["a", "b"]


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="TensorFlow makes them"
)
def test_views_of_the_host_are_refused_in_one_line(flags, tmp_path, capsys):
    flags = [*flags, "--views=host", f"--workdir={tmp_path / 'new'}"]
    assert pretrain(flags) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line == (
        "supcon-pretrain: error: views='host' needs TensorFlow as backend: "
        "take views='device', or set KERAS_BACKEND=tensorflow. "
        f"Received: backend={keras.backend.backend()!r}"
    )
    assert not (tmp_path / "new").exists()
