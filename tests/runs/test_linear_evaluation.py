"""The linear_eval command, on the digits."""

import dataclasses
import json
import os
import shutil

import keras
import numpy as np
import on_devices
import pytest

from supcon_tf import linear_eval, load_dataset, pretrain
from supcon_tf.config import LinearEvalConfig
from supcon_tf.evaluation import nearest_neighbor_accuracy
from supcon_tf.recipes import RECIPES
from supcon_tf.runs import linear_evaluation

pytestmark = pytest.mark.slow  # all need a pretrained encoder


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    keras.utils.set_random_seed(0)
    config = dataclasses.replace(
        RECIPES["digits"], encoder="tiny", epochs=4, batch_size=128
    )
    workdir = tmp_path_factory.mktemp("linear_eval")
    pretrain.pretrain(config, workdir)
    return workdir


@pytest.fixture(scope="module")
def results(workdir):
    return linear_eval.linear_eval(LinearEvalConfig(), workdir)


@pytest.mark.slow
def test_the_results_are_those_of_the_classifier_that_is_written(
    workdir, results
):
    assert json.loads((workdir / "linear_eval.json").read_text()) == results
    train, test = load_dataset("digits")
    classifier = keras.saving.load_model(workdir / "classifier.keras")
    assert classifier.class_names == test.class_names
    assert classifier.image_size == (8, 8)
    assert classifier.resizing == "center_crop"
    scores = classifier.predict(test.images / np.float32(255), verbose=0)
    accuracy = np.mean(scores.argmax(axis=1) == test.labels)
    assert results["top_1_accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert results["num_train_images"] == 1437
    assert results["num_test_images"] == 360
    assert results["seconds"] > 0
    assert results["raw_pixel_1nn_accuracy"] == nearest_neighbor_accuracy(
        train, test, image_size=8
    )


def test_it_ends_with_the_accuracy_and_the_yardsticks(workdir, results, capsys):
    """It printed two pages of JSON, which is in the file."""
    linear_evaluation._print_last_lines(results, workdir)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    top_1 = results["top_1_accuracy"]
    assert lines[0].startswith(f"top-1 {top_1:.4f} on 360 test images, by a")
    untrained = results["untrained_top_1_accuracy"]
    nearest = results["raw_pixel_1nn_accuracy"]
    assert lines[1] == (
        f"To compare with: {untrained:.4f}, the untrained encoder; "
        f"{nearest:.4f}, nearest image by pixels; 0.1000, chance"
    )
    written = "Wrote classifier.keras and linear_eval.json to"
    assert lines[3] == f"{written} {workdir}"
    assert "supcon-hub-export --workdir=" in lines[4]


def test_a_little_pretraining_beats_none(results):
    assert results["top_1_accuracy"] > results["untrained_top_1_accuracy"]


def test_the_encoder_stays_as_it_was(workdir, results):
    encoder = keras.saving.load_model(workdir / "encoder.keras")
    classifier = keras.saving.load_model(workdir / "classifier.keras")
    for a, b in zip(
        encoder.get_weights(), classifier.encoder.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def run(capsys, *argv):
    status = linear_eval.main(argv)
    out, err = capsys.readouterr()
    if status:
        assert err.startswith("supcon-linear-eval: error: ")
        assert err.count("\n") == 1, err
    return status, out, err


@pytest.mark.slow
def test_the_command_prints_what_it_writes(workdir, results, capsys):
    status, out, _ = run(capsys, f"--workdir={workdir}", "--l2=10")
    assert status == 0
    top_1 = json.loads((workdir / "linear_eval.json").read_text())
    assert out.startswith(f"top-1 {top_1['top_1_accuracy']:.4f} on 360 test")
    assert "classifier.keras" in out
    assert out.count("\n") == 5


@pytest.mark.slow
def test_the_second_stage_on_augmented_images_chooses_a_learning_rate(
    workdir, tmp_path, capsys
):
    for name in ("config.json", "encoder.keras"):
        shutil.copy(workdir / name, tmp_path)
    status, out, _ = run(
        capsys,
        f"--workdir={tmp_path}",
        "--recipe=cifar",
        "--augmentation=crop",
        "--epochs=4",
        "--decay_epochs=2,3",
        "--batch_size=64",
        "--base_learning_rates=1e-6,4",
    )
    assert status == 0
    assert "learning rate 1: top-1" in out  # 4 for 256 images
    second = json.loads((tmp_path / "linear_eval.json").read_text())
    assert second["chosen"]["learning_rate"] == 1.0
    assert len(second["chosen"]["held_out_top_1_accuracies"]) == 2
    assert second["config"]["decay_epochs"] == [2.0, 3.0]
    assert second["top_1_accuracy"] > 0.5
    assert second["top_1_accuracy"] <= second["top_5_accuracy"] <= 1
    classifier = keras.saving.load_model(tmp_path / "classifier.keras")
    _, test = load_dataset("digits")
    scores = classifier.predict(test.images / np.float32(255), verbose=0)
    accuracy = np.mean(scores.argmax(axis=1) == test.labels)
    assert second["top_1_accuracy"] == pytest.approx(accuracy, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "objective", "file"),
    [
        pytest.param(
            *("cross_entropy_digits", "cross_entropy", "classification_model"),
            marks=pytest.mark.release,
        ),
        ("digits", "supcon_cross_entropy", "joint_model"),
    ],
)
def test_a_classifier_that_was_trained_with_the_encoder_is_evaluated(
    recipe, objective, file, tmp_path
):
    config = dataclasses.replace(
        RECIPES[recipe], objective=objective, encoder="tiny", epochs=4
    )
    pretrain.pretrain(config, tmp_path)
    result = linear_eval.linear_eval(LinearEvalConfig(), tmp_path)
    model = keras.saving.load_model(tmp_path / f"{file}.keras")
    classifier = model.linear_classifier()
    _, test = load_dataset("digits")
    scores = classifier.predict(test.images / np.float32(255), verbose=0)
    accuracy = np.mean(scores.argmax(axis=1) == test.labels)
    assert accuracy > 0.5
    assert result["classifier_top_1_accuracy"] == pytest.approx(
        accuracy, abs=1e-6
    )


def test_a_workdir_without_encoder_is_refused(tmp_path, capsys):
    for folder in (tmp_path, tmp_path / "missing"):
        status, _, err = run(capsys, f"--workdir={folder}")
        assert status == 2
        assert "encoder.keras" in err
    assert run(capsys)[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_encoder_is_named(workdir, tmp_path, capsys):
    shutil.copy(workdir / "config.json", tmp_path)
    whole = (workdir / "encoder.keras").read_bytes()
    for damaged in (b"", b"no model", whole[: len(whole) // 2]):
        (tmp_path / "encoder.keras").write_bytes(damaged)
        status, _, err = run(capsys, f"--workdir={tmp_path}")
        assert status == 2
        assert "encoder.keras must be a whole Keras model" in err
    assert {p.name for p in tmp_path.iterdir()} == {
        "config.json",
        "encoder.keras",
    }


@pytest.mark.release
def test_replicas_share_the_images_and_have_the_same_results(
    workdir, results, tmp_path
):
    for name in ("config.json", "encoder.keras"):
        shutil.copy(workdir / name, tmp_path)
    process = on_devices.start(
        "linear_eval", "--strategy=mirrored", f"--workdir={tmp_path}", cpus=2
    )
    status, _, err = on_devices.finish(process)
    assert (status, err) == (0, [])
    shared = json.loads((tmp_path / "linear_eval.json").read_text())
    for name in set(results) - {"seconds", "config"}:
        assert shared[name] == results[name], name
    classifier = keras.saving.load_model(tmp_path / "classifier.keras")
    assert classifier.class_names == tuple(results["class_names"])


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ("multi_worker", "done once, on one machine"),
        ("many", "must be one of ['auto', 'one_device', 'mirrored', 'tpu']"),
        ("tpu", "there is no TPU"),
    ],
)
def test_strategies_that_there_are_not_are_refused(
    strategy, words, workdir, capsys, monkeypatch
):
    monkeypatch.delenv("TPU_NAME", raising=False)
    status, _, err = run(
        capsys, f"--workdir={workdir}", f"--strategy={strategy}"
    )
    assert status == 2
    assert words in err


@pytest.mark.parametrize("flag", ["--max_iterations=0", "--l2=-1"])
def test_values_out_of_range_are_refused(workdir, flag, capsys):
    status, _, err = run(capsys, f"--workdir={workdir}", flag)
    assert status == 2
    assert flag[2:].split("=")[0] in err


def refused(workdir, capsys):
    """The one line of a refused evaluation, which writes nothing."""
    status, _, err = run(capsys, f"--workdir={workdir}")
    assert status == 2
    assert not (workdir / "classifier.keras").exists()
    return err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "resnet9999"}, "`encoder` must be one of"),
        ({"encoder": "resnet18", "width": 0.125}, "config.json describes"),
        ({"width": 1e12}, "`width` must be > 0 and <= 16"),
        ({"image_size": 16}, "must take the images that config.json describes"),
    ],
)
def test_a_config_of_another_encoder_is_refused(
    workdir, changes, message, tmp_path, capsys
):
    shutil.copy(workdir / "encoder.keras", tmp_path)
    config = json.loads((workdir / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | changes))
    assert message in refused(tmp_path, capsys)


def test_an_encoder_of_another_run_is_not_taken_for_the_runs_own(
    workdir, tmp_path, capsys
):
    for name in ("config.json", "encoder.keras", "encoder.sha256"):
        shutil.copy(workdir / name, tmp_path)
    other = keras.saving.load_model(tmp_path / "encoder.keras")
    other.weights[0].assign(other.weights[0] + 1)
    other.save(tmp_path / "encoder.keras")
    err = refused(tmp_path, capsys)
    assert "must be what the run of this folder wrote" in err
    assert "delete" in err


@pytest.mark.parametrize("name", ["config.json", "encoder.sha256"])
@pytest.mark.parametrize(
    "make",
    [os.mkfifo, os.mkdir, lambda path: path.write_bytes(b"\xff")],
    ids=["a pipe", "a folder", "no text"],
)
def test_files_of_a_workdir_that_are_none_are_one_line(
    workdir, tmp_path, capsys, name, make
):
    """A pipe was waited for; the others ended in tracebacks."""
    for other in ("config.json", "encoder.keras", "encoder.sha256"):
        if other != name:
            shutil.copy(workdir / other, tmp_path)
    make(tmp_path / name)
    assert f"{name}" in refused(tmp_path, capsys)


def test_a_folder_where_a_result_goes_is_refused_before_the_fit(
    workdir, tmp_path, capsys
):
    """It was found after the fit, in a traceback."""
    for other in ("config.json", "encoder.keras"):
        shutil.copy(workdir / other, tmp_path)
    (tmp_path / "linear_eval.json").mkdir()
    assert "move it away" in refused(tmp_path, capsys)
