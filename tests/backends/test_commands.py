"""The commands on every backend: pretraining, killed and gone on with."""

import csv
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

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


def killed_after(flags, workdir, file):
    """Runs the command, and kills it as soon as a file is there."""
    code = (
        "import sys, tiny_encoder; from supcon_tf.pretrain import main; "
        "sys.exit(main(sys.argv[1:]))"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code, *flags, f"--workdir={workdir}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.time() + 150
    while not (workdir / file).exists() and run.poll() is None:
        assert time.time() < deadline
        time.sleep(0.002)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()


def losses(workdir):
    with (workdir / "history.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


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
