"""The pretrain command: what it writes, resumes and refuses."""

import csv
import dataclasses
import json
import math
import pathlib
import shutil
import signal
import subprocess
import sys
import types

import keras
import numpy as np
import on_devices
import pytest

from supcon_tf import AUGMENTATIONS, DATASETS, ENCODERS, pretrain
from supcon_tf.config import PretrainConfig
from supcon_tf.config.settings import read_json
from supcon_tf.recipes import RECIPES
from supcon_tf.runs import pretraining

TINY = dataclasses.replace(
    RECIPES["digits"],
    encoder="tiny",
    batch_size=512,
    epochs=3,
    warmup_epochs=0.0,
    projection_units=(8,),
)
TINY_FLAGS = [
    "--recipe=digits",
    "--encoder=tiny",
    "--batch_size=512",
    "--epochs=3",
    "--warmup_epochs=0",
    "--projection_units=8",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The workdir of a finished run, and its encoder."""
    keras.utils.set_random_seed(0)
    workdir = tmp_path_factory.mktemp("pretrain") / "new" / "run"
    return workdir, pretrain.pretrain(TINY, workdir)


def weights(path):
    return keras.saving.load_model(path, compile=False).get_weights()


def assert_same_weights(a, b, tolerance=0.0):
    for x, y in zip(weights(a), weights(b), strict=True):
        np.testing.assert_allclose(x, y, atol=tolerance, rtol=0)


@pytest.mark.slow
def test_a_run_writes_what_it_says(finished):
    workdir, encoder = finished
    assert {path.name for path in workdir.iterdir()} == {
        ".lock",
        "checkpoint-00002.npz",
        "checkpoint-00003.npz",
        "config.json",
        "encoder.keras",
        "encoder.sha256",
        "history.csv",
        "logs",
        "supcon_model.keras",
    }
    assert read_json(PretrainConfig, workdir / "config.json") == TINY
    saved = keras.saving.load_model(workdir / "encoder.keras")
    images = np.random.default_rng(0).random((4, 8, 8, 3), "float32")
    np.testing.assert_array_equal(saved(images), encoder(images))
    model = keras.saving.load_model(workdir / "supcon_model.keras")
    np.testing.assert_array_equal(model.encode(images), encoder(images))
    assert model.projection_head.units == (8,)


@pytest.mark.slow
def test_a_run_of_both_objectives_keeps_the_classifier_and_the_head(
    tmp_path, capsys
):
    config = dataclasses.replace(
        TINY, objective="supcon_cross_entropy", contrast_weight=0.5
    )
    encoder = pretrain.pretrain(config, tmp_path)
    assert {path.name for path in tmp_path.glob("*.keras")} == {
        "encoder.keras",
        "joint_model.keras",
    }
    model = keras.saving.load_model(tmp_path / "joint_model.keras")
    assert model.contrast_weight == 0.5
    assert model.projection_head.units == (8,)
    images = np.random.default_rng(0).random((4, 8, 8, 3), "float32")
    np.testing.assert_array_equal(model.encode(images), encoder(images))
    assert model.linear_classifier()(images).shape == (4, 10)
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        values = {name: float(value) for name, value in row.items()}
        assert values["collapsed_loss"] == pytest.approx(math.log(1023))
        assert values["loss"] == pytest.approx(
            values["cross_entropy"] + 0.5 * values["contrastive_loss"], rel=1e-5
        )
        assert 0 < values["top_1_accuracy"] < 1
    capsys.readouterr()
    pretrain.pretrain(config, tmp_path)
    assert "Finished already" in capsys.readouterr().out


@pytest.mark.slow
def test_the_history_has_the_loss_beside_that_of_collapse(finished):
    workdir, _ = finished
    with open(workdir / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for row in rows:
        assert float(row["collapsed_loss"]) == pytest.approx(math.log(1023))
        assert float(row["contrastive_loss"]) > 0
    assert any(
        path.name.startswith("events") and path.stat().st_size > 1000
        for path in (workdir / "logs").rglob("*")
    )


@pytest.mark.release
def test_the_same_seed_trains_the_same_encoder(finished, tmp_path):
    workdir, _ = finished
    pretrain.pretrain(TINY, tmp_path)
    assert_same_weights(
        workdir / "encoder.keras", tmp_path / "encoder.keras", 1e-5
    )
    other = dataclasses.replace(TINY, seed=1)
    pretrain.pretrain(other, tmp_path / "other")
    a = weights(tmp_path / "encoder.keras")
    b = weights(tmp_path / "other" / "encoder.keras")
    assert max(np.abs(x - y).max() for x, y in zip(a, b, strict=True)) > 1e-3


@pytest.mark.slow
def test_views_on_the_device_train_the_same_encoder(finished, tmp_path):
    workdir, _ = finished
    config = dataclasses.replace(TINY, views="device")
    pretrain.pretrain(config, tmp_path)
    assert_same_weights(  # the views differ in their last bits
        workdir / "encoder.keras", tmp_path / "encoder.keras", 1e-3
    )
    model = keras.saving.load_model(tmp_path / "supcon_model.keras")
    assert model.views.num_views == TINY.num_views
    assert list((tmp_path / "logs").iterdir())


@pytest.mark.slow
def test_a_finished_run_says_so_and_changes_nothing(finished, capsys):
    workdir, _ = finished
    before = {p: p.stat().st_mtime_ns for p in workdir.iterdir()}
    encoder = pretrain.pretrain(TINY, workdir)
    assert "Finished already" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in workdir.iterdir()} == before
    assert encoder.output_shape == (None, 32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 0.2}, "`temperature` must be 0.1, as in the run"),
        ({"epochs": 5}, "`epochs` must be 3 (the cosine schedule was laid"),
        ({"epochs": 2}, "`epochs` must be 3 (the cosine schedule was laid"),
        ({"seed": 1}, "`seed` must be 0, as in the run"),
        ({"precision": "mixed_bfloat16"}, "`precision` must be 'float32', as"),
    ],
)
def test_the_workdir_of_another_run_is_refused(finished, change, message):
    workdir, _ = finished
    with pytest.raises(ValueError) as error:
        pretrain.pretrain(dataclasses.replace(TINY, **change), workdir)
    assert message in str(error.value)
    assert "config.json" in str(error.value)


@pytest.mark.release
def test_a_constant_schedule_can_be_given_more_epochs(tmp_path):
    config = dataclasses.replace(TINY, schedule="constant")
    short = dataclasses.replace(config, epochs=2)
    pretrain.pretrain(config, tmp_path / "whole")
    pretrain.pretrain(short, tmp_path / "parts")
    pretrain.pretrain(config, tmp_path / "parts")
    assert_same_weights(
        tmp_path / "whole" / "encoder.keras",
        tmp_path / "parts" / "encoder.keras",
        1e-5,
    )
    with pytest.raises(ValueError, match="`epochs` must be 3 or more"):
        pretrain.pretrain(short, tmp_path / "parts")


@pytest.mark.slow
def test_normalize_representation_reaches_the_encoder_that_is_written(
    tmp_path,
):
    config = dataclasses.replace(TINY, normalize_representation=True, epochs=1)
    pretrain.pretrain(config, tmp_path)
    encoder = keras.saving.load_model(tmp_path / "encoder.keras")
    images = np.random.default_rng(0).random((4, 8, 8, 3), "float32")
    np.testing.assert_allclose(
        np.linalg.norm(encoder(images), axis=1), np.ones(4), rtol=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_the_encoder_of_a_mixed_precision_has_float32_weights_and_outputs(
    precision, tmp_path
):
    before = keras.config.dtype_policy()
    config = dataclasses.replace(TINY, precision=precision, epochs=1)
    pretrain.pretrain(config, tmp_path)
    assert keras.config.dtype_policy() is before
    encoder = keras.saving.load_model(tmp_path / "encoder.keras")
    assert encoder.get_layer("stem_conv").compute_dtype != "float32"
    assert {weight.dtype for weight in encoder.weights} == {"float32"}
    images = np.random.default_rng(0).random((4, 8, 8, 3), "float32")
    representations = encoder(images)
    assert keras.backend.standardize_dtype(representations.dtype) == "float32"
    assert np.isfinite(representations).all()


@pytest.mark.slow
def test_queue_copy_and_loss_scale_go_on_where_they_were(tmp_path):
    whole = dataclasses.replace(
        TINY,
        schedule="constant",
        epochs=2,
        queue_size=700,
        encoder_momentum=0.5,
        precision="mixed_float16",
    )
    pretrain.pretrain(whole, tmp_path / "whole")
    part = dataclasses.replace(whole, epochs=1)
    pretrain.pretrain(part, tmp_path / "parts")
    pretrain.pretrain(whole, tmp_path / "parts")
    assert_same_weights(
        tmp_path / "whole" / "encoder.keras",
        tmp_path / "parts" / "encoder.keras",
        1e-5,
    )


@pytest.mark.release
def test_two_replicas_of_a_machine_end_with_the_encoder_of_one(tmp_path):
    flags = [
        "--recipe=digits",
        "--encoder=tiny",
        "--batch_size=512",
        "--epochs=2",
        "--warmup_epochs=0",
        "--projection_units=8,4",
        "--learning_rate=0.01",
        "--precision=float64",
    ]
    one, two, unsynchronised = (tmp_path / name for name in "abc")
    for workdir, cpus, more in (
        (one, 1, []),
        (two, 2, ["--strategy=mirrored"]),
        (unsynchronised, 2, ["--strategy=mirrored", "--nosync_batch_norm"]),
    ):
        process = on_devices.start(
            "pretrain", *flags, *more, f"--workdir={workdir}",
            cpus=cpus, float64=True, shape=str(tmp_path / "shape.json"),
        )  # fmt: skip
        status, out, err = on_devices.finish(process)
        assert (status, err) == (0, [])
        assert ("2 replicas in 1 processes, 256 images" in out) == (cpus == 2)
        shape = json.loads((tmp_path / "shape.json").read_text())
        assert shape == [512 // cpus, 2, 8, 8, 3]
    assert_same_weights(one / "encoder.keras", two / "encoder.keras", 1e-12)
    encoder = keras.saving.load_model(two / "encoder.keras")
    assert not encoder.get_layer("stem_bn").synchronized
    # Otherwise it is another training.
    a = weights(one / "encoder.keras")
    b = weights(unsynchronised / "encoder.keras")
    assert max(np.abs(x - y).max() for x, y in zip(a, b, strict=True)) > 1e-3


def test_a_batch_that_replicas_cannot_share_is_one_line(tmp_path, capsys):
    flags = [*TINY_FLAGS, "--strategy=mirrored", "--batch_size=511"]
    assert pretrain.main([*flags, f"--workdir={tmp_path / 'run'}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "`batch_size` must be divisible by the 2 replicas" in line
    assert "batch_size=511" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.release
def test_a_strategy_of_one_replica_is_one_device(finished, tmp_path):
    workdir, _ = finished
    process = on_devices.start(
        "pretrain", *TINY_FLAGS, "--strategy=mirrored",
        f"--workdir={tmp_path}", cpus=1,
    )  # fmt: skip
    status, _, err = on_devices.finish(process)
    assert (status, err) == (0, [])
    assert_same_weights(
        workdir / "encoder.keras", tmp_path / "encoder.keras", 1e-5
    )


@pytest.mark.slow
def test_a_finished_run_is_that_on_other_devices_too(finished, capsys):
    workdir, _ = finished
    config = dataclasses.replace(TINY, strategy="one_device")
    pretrain.pretrain(config, workdir)
    assert "Finished already" in capsys.readouterr().out


# Runs the command and kills it with SIGKILL at one moment.
KILLED = """
import os, signal, sys
import keras, numpy
import tiny_encoder
from supcon_tf import pretrain
from supcon_tf.callbacks import checkpoints as callbacks

moment, *argv = sys.argv[1:]
calls = 0

def kill_before(function, call, half=None):
    def wrapper(*args, **kwargs):
        global calls
        calls += 1
        if calls == call:
            if half:
                half(*args)
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return wrapper

if moment == "before the checkpoint of epoch 2":
    callbacks.EpochCheckpoint.on_epoch_end = kill_before(
        callbacks.EpochCheckpoint.on_epoch_end, 2)
if moment == "half way through the checkpoint of epoch 2":
    numpy.savez = kill_before(numpy.savez, 2, lambda f, *_: f.write(b"half"))
if moment == "after the last epoch":
    keras.Model.save = kill_before(keras.Model.save, 1)
if moment == "half way through encoder.keras":
    keras.Model.save = kill_before(
        keras.Model.save, 2, lambda model, path: path.write_bytes(b"half"))
pretrain.main(argv)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "finished_epochs"),
    [
        ("half way through the checkpoint of epoch 2", 1),
        *(
            pytest.param(*moment, marks=pytest.mark.release)
            for moment in (
                ("before the checkpoint of epoch 2", 1),
                ("after the last epoch", 3),
                ("half way through encoder.keras", 3),
            )
        ),
    ],
)
def test_a_killed_run_goes_on_and_ends_as_an_undisturbed_one(
    moment, finished_epochs, finished, tmp_path, capsys
):
    undisturbed, _ = finished
    argv = [*TINY_FLAGS, f"--workdir={tmp_path}"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, moment, *argv], capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "encoder.keras").exists()
    capsys.readouterr()
    assert pretrain.main(argv) == 0
    out = capsys.readouterr().out
    assert f"goes on after epoch {finished_epochs}" in out
    assert f"Epoch {finished_epochs}/3" not in out
    assert_same_weights(
        undisturbed / "encoder.keras", tmp_path / "encoder.keras", 1e-5
    )
    with open(tmp_path / "history.csv", newline="") as file:
        assert [r["epoch"] for r in csv.DictReader(file)] == ["1", "2", "3"]
    assert not list(tmp_path.glob(".*.partial*"))


@pytest.mark.slow
def test_an_extended_run_that_was_stopped_is_not_taken_for_finished(
    tmp_path, monkeypatch
):
    config = dataclasses.replace(TINY, schedule="constant", epochs=1)
    longer = dataclasses.replace(config, epochs=2)
    pretrain.pretrain(config, tmp_path)

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "fit", stop)
        with pytest.raises(KeyboardInterrupt):
            pretrain.pretrain(longer, tmp_path)
    assert not (tmp_path / "encoder.keras").exists()
    pretrain.pretrain(longer, tmp_path)
    with open(tmp_path / "history.csv", newline="") as file:
        assert [r["epoch"] for r in csv.DictReader(file)] == ["1", "2"]


@pytest.mark.slow
def test_a_finished_run_with_a_damaged_encoder_is_one_line(
    finished, tmp_path, capsys
):
    workdir, _ = finished
    shutil.copy(workdir / "config.json", tmp_path)
    (tmp_path / "encoder.keras").write_bytes(b"damaged")
    assert pretrain.main([*TINY_FLAGS, f"--workdir={tmp_path}"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "encoder.keras must be a whole Keras model" in err


def test_a_workdir_that_is_a_file_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for workdir in (tmp_path / "file", tmp_path / "file" / "run"):
        assert pretrain.main([*TINY_FLAGS, f"--workdir={workdir}"]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert "`workdir` must be a folder that can be written to" in err


@pytest.mark.slow
def test_a_run_that_diverges_is_one_line_and_leaves_no_encoder(
    tmp_path, capsys
):
    flags = [*TINY_FLAGS, "--learning_rate=1e30", f"--workdir={tmp_path}"]
    assert pretrain.main(flags) == 1
    err = capsys.readouterr().err.splitlines()[-1]
    assert err.startswith("supcon-pretrain: error: The loss must stay finite")
    assert not (tmp_path / "encoder.keras").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "collapse"),
    [
        (
            {"scale_by_temperature": True, "denominator": "one_positive"},
            0.1 * math.log(1024 * 0.9),
        ),
        (
            {"summation": "inside", "anchors": "first", "positives_cap": 0},
            math.log(1024 * 0.9),
        ),
    ],
    ids=str,
)
def test_the_variant_of_the_loss_is_a_setting(variant, collapse, tmp_path):
    config = dataclasses.replace(TINY, epochs=1, **variant)
    pretrain.pretrain(config, tmp_path)
    with open(tmp_path / "history.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["collapsed_loss"]) == pytest.approx(collapse, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--recipe=digit"], ["`recipe`", "'digit'", *RECIPES]),
        (["--encoder=resnet19"], ["`encoder`", "'resnet19'", *ENCODERS]),
        (["--augmentation=none"], ["`augmentation`", *AUGMENTATIONS]),
        (["--dataset=mnist"], ["`dataset`", "'mnist'", *DATASETS]),
        (["--dataset=tfds:"], ["be tfds:NAME, with", "dataset='tfds:'\n"]),
        (
            ["--encoder=resnet18", "--stem=vgg"],
            ["`stem`", "'vgg'", "small_image"],
        ),
        (["--schedule=linear"], ["`schedule`", "'linear'", "cosine"]),
        (["--temperature=0"], ["`temperature` must be > 0", "0.0"]),
        (["--denominator=one"], ["`denominator` must be one of", "'one'"]),
        (["--positives_cap=3"], ["`positives_cap`", "num_views=2", "3"]),
        (["--batch_size=0"], ["`batch_size` must be >= 1", "0"]),
        (["--batch_size=1438"], ["`batch_size` must be at most", "1437"]),
        (["--epochs=-1"], ["`epochs` must be >= 1", "-1"]),
        (["--warmup_epochs=3"], ["`warmup_epochs` must be < epochs=3"]),
        (["--warmup_epochs=2.9"], ["warm-up", "at most 5 of 6"]),
        (["--seed=-1"], ["`seed` must be in [0, 2**32)", "-1"]),
        (["--learning_rate=inf"], ["`learning_rate`", "finite", "inf"]),
        (["--width=inf"], ["`width`", "finite"]),
        (["--validation_fraction=0.001"], ["`validation_fraction`", "0.001"]),
        (["--crop_area=0,1"], ["`crop_area` must be two floats", "0.0"]),
        (
            ["--crop_area=0.5,1", "--augmentation=center_crop"],
            ["`crop_area` must be left out with augmentation='center_crop'"],
        ),
        (["--projection_units=a"], ["`projection_units`", "a"]),
        (["--projection_units=0"], ["`projection_units`", "0"]),
        (["--workdir="], ["`workdir`", "''"]),
        (["--dataset=cifar10", "--data_dir=/nowhere"], ["`data_dir`", "/now"]),
        (["--dataset=folder", "--data_dir=/nowhere"], ["`data_dir`", "/now"]),
        (["--epohcs=3"], ["epohcs", "epochs"]),
        (["--strategy=many"], ["`strategy` must be one of", "'mirrored'"]),
        (["--strategy=multi_worker"], ["TF_CONFIG must be JSON", "none"]),
        (["--strategy=tpu"], ["`strategy`", "there is no TPU"]),
        (["--precision=half"], ["`precision` must be one of", "'half'"]),
        (["--queue_size=-1"], ["`queue_size` must be >= 0", "-1"]),
        (["--encoder_momentum=0.9"], ["`encoder_momentum`", "queue_size=0"]),
        (["--num_microbatches=0"], ["`num_microbatches` must be >= 1"]),
    ],
)
def test_wrong_input_is_one_line_and_nothing_is_written(
    flags, words, tmp_path, capsys, monkeypatch
):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("TPU_NAME", raising=False)
    workdir = tmp_path / "run"
    argv = [*TINY_FLAGS, f"--workdir={workdir}", *flags]
    assert pretrain.main(argv) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    assert err.startswith("supcon-pretrain: error: ")
    for word in words:
        assert word in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("strategy", ["auto", "multi_worker"])
def test_a_garbled_tf_config_is_one_line(
    strategy, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("TF_CONFIG", "{cluster: a}")
    flags = [*TINY_FLAGS, f"--workdir={tmp_path}", f"--strategy={strategy}"]
    assert pretrain.main(flags) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "TF_CONFIG must be JSON such as" in err
    assert "Received: {cluster: a}" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_damaged_checkpoint_is_one_line(tmp_path, capsys):
    workdir = pathlib.Path(tmp_path)
    (workdir / "checkpoint-00001.npz").write_bytes(b"damaged")
    assert pretrain.main([*TINY_FLAGS, f"--workdir={workdir}"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "checkpoint-00001.npz, or one before it, must be a whole" in err


def test_a_run_ends_with_how_far_it_came_and_the_next_command(tmp_path, capsys):
    workdir = tmp_path / "my run"
    workdir.mkdir()
    (workdir / "history.csv").write_text(
        "epoch,contrastive_loss,collapsed_loss,loss\n1,6,6.2,7\n2,5.5,6.2,6\n"
    )
    best = types.SimpleNamespace(value=0.75, epoch=1)
    pretraining._print_last_lines(
        workdir, ["encoder.keras"], 1000, best, 20, 0.5
    )
    assert capsys.readouterr().out.splitlines() == [
        "2 epochs of 1,000 images: contrastive_loss 5.5000",
        "To compare with: 6.2000, the loss if all projections were the same",
        "top-1 0.7500 on 20 held-out training images after epoch 1, the best "
        "one, which is kept; 0.5000 by a linear probe before the training",
        f"Wrote encoder.keras and history.csv to {workdir}",
        f"Next: supcon-linear-eval --workdir='{workdir}'",
    ]
