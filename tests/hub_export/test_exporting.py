"""Tests of exporting.py: from encoder.keras to a checked SavedModel."""

import hashlib
import json
import os
import subprocess
import sys

import absl.flags
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tiny_encoder import tiny

from hub_export import exporting as module
from hub_export.comparison import compare
from hub_export.export import export, main
from supcon_tf.models.heads import ProjectionHead
from supcon_tf.models.linear_classifier import LinearClassifier
from supcon_tf.models.supcon_model import SupConModel


@pytest.fixture(scope="module")
def encoder():
    return keras.Sequential(
        [
            layers.Input((None, None, 3)),
            layers.Conv2D(6, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
        ]
    )


@pytest.fixture
def workdir(encoder, tmp_path):
    folder = tmp_path / "workdir"
    folder.mkdir()
    encoder.save(folder / "encoder.keras")
    return folder


@pytest.fixture
def quickly(monkeypatch):
    """Reads back in this process: a new one takes seconds to start."""

    def compared(encoder, folder, pixels, **parts):
        loaded = tf.saved_model.load(str(folder / "saved_model"))
        return compare(encoder, loaded, **parts)

    monkeypatch.setattr(module, "compare_in_new_process", compared)


def everything_below(folder):
    """All paths below a folder, with the content of the files."""
    return {
        path: path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.release
def test_exported_model_computes_what_the_encoder_does(encoder, workdir):
    output = workdir / "hub" / "encoder"
    facts = export(workdir, output)
    assert facts["path"] == str(output)
    assert facts["images"] == (None, None, None, 3)
    assert facts["features"] == 6
    assert facts["parameters"] == encoder.count_params() == 192
    assert facts["trainable_parameters"] == 180
    assert facts["largest_difference"]["inference"] <= 1e-5
    assert facts["sizes"] == [(96, 96), (96, 120)]
    assert facts["seconds"] > 0
    assert facts["preprocessing"] is None  # no run tells of any size
    images = np.random.default_rng(0).random((2, 9, 9, 3), dtype=np.float32)
    features = tf.saved_model.load(str(output))(images)
    np.testing.assert_allclose(features, encoder(images), rtol=1e-5, atol=1e-6)


def new_below(folder, before):
    return {
        path.relative_to(folder).parts[0]
        for path in everything_below(folder).keys() - before
    }


@pytest.mark.slow
def test_export_writes_the_savedmodel_its_card_and_nothing_else(
    workdir, tmp_path, quickly
):
    before = everything_below(tmp_path)
    export(str(workdir), str(tmp_path / "out"))
    assert new_below(tmp_path, before) == {"out", "out.md"}
    assert before.items() <= everything_below(tmp_path).items()
    (tmp_path / "usual").mkdir()
    mode = (tmp_path / "usual").stat().st_mode
    assert (tmp_path / "out").stat().st_mode == mode


@pytest.mark.slow
def test_archive_and_its_checksum_are_beside_it(workdir, tmp_path, quickly):
    before = everything_below(tmp_path)
    facts = export(workdir, tmp_path / "out", archive=True)
    assert new_below(tmp_path, before) == {
        "out", "out.md", "out.tar.gz", "out.tar.gz.sha256",
    }  # fmt: skip
    content = (tmp_path / "out.tar.gz").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    line = (tmp_path / "out.tar.gz.sha256").read_text()
    assert line == f"{digest}  out.tar.gz\n"
    assert digest in (tmp_path / "out.md").read_text()
    assert facts["archive"] == {
        "name": "out.tar.gz",
        "bytes": len(content),
        "sha256": digest,
    }


@pytest.mark.slow
def test_the_folder_for_hugging_face_is_beside_it(
    encoder, workdir, tmp_path, quickly
):
    before = everything_below(tmp_path)
    options = {"hugging_face": True, "publisher": "jane"}
    facts = export(workdir, tmp_path / "out", **options)
    folder = tmp_path / "out-hugging_face"
    assert facts["upload"] == str(folder)
    assert new_below(tmp_path, before) == {"out", "out.md", folder.name}
    for path in (tmp_path / "out.md", folder / "README.md"):
        assert f" {folder.name} ." in path.read_text()
    images = np.random.default_rng(0).random((2, 9, 9, 3), dtype=np.float32)
    for load in (keras.saving.load_model, _of_saved_model):
        np.testing.assert_allclose(
            load(folder)(images), encoder(images), rtol=1e-5, atol=1e-6
        )
    export(workdir, tmp_path / "out", overwrite=True, **options)


def _of_saved_model(folder):
    return tf.saved_model.load(str(folder / "saved_model"))


@pytest.mark.slow
def test_card_has_what_the_run_recorded(encoder, workdir, tmp_path, quickly):
    config = {"dataset": "digits", "encoder": "resnet18", "image_size": 32}
    config |= {"width": 0.25, "temperature": 0.07}
    (workdir / "config.json").write_text(json.dumps(config))
    evaluation = {
        "top_1_accuracy": 0.4321,
        "num_train_images": 7,
        "num_test_images": 5,
        "class_names": ["cat", "dog"],
    }
    (workdir / "linear_eval.json").write_text(json.dumps(evaluation))
    arguments = [f"--workdir={workdir}", f"--output={tmp_path / 'out'}"]
    arguments += ["--publisher=jane", "--version=3", "--license=MIT"]
    assert main(arguments) == 0
    card = (tmp_path / "out.md").read_text()
    first = "# Module jane/digits_resnet18_w025/3"
    assert card.splitlines()[0] == first
    for fact in ("0.4321", "0.07", "MIT", "digits", "kagglehub", "cat, dog"):
        assert fact in card


@pytest.mark.slow
def test_nothing_recorded_is_a_card_without_it(workdir, tmp_path, quickly):
    export(workdir, tmp_path / "out", model_name="mine")
    card = (tmp_path / "out.md").read_text()
    assert card.splitlines()[0] == "# Module mine/1"
    assert "not recorded" in card


@pytest.fixture
def run_workdir(tmp_path):
    """A folder with all that pretraining and linear evaluation write."""
    folder = tmp_path / "run"
    folder.mkdir()
    encoder = tiny((8, 8, 3))
    model = SupConModel(encoder, ProjectionHead((7, 5)))
    model(np.zeros((1, 1, 8, 8, 3), np.float32))
    classifier = LinearClassifier(encoder, 2, ("cat", "dog"))
    classifier(np.zeros((1, 8, 8, 3), np.float32))
    encoder.save(folder / "encoder.keras")
    model.save(folder / "supcon_model.keras")
    classifier.save(folder / "classifier.keras")
    return folder


@pytest.mark.slow
def test_head_and_classifier_are_exported_when_asked(run_workdir, tmp_path):
    arguments = [f"--workdir={run_workdir}", f"--output={tmp_path / 'out'}"]
    arguments += ["--include_projection", "--include_classifier"]
    assert main(arguments) == 0
    loaded = tf.saved_model.load(str(tmp_path / "out"))
    images = np.random.default_rng(0).random((3, 8, 8, 3), "float32")
    for path, function in (
        ("classifier.keras", loaded.classifier),
        ("supcon_model.keras", loaded.projection),
    ):
        model = keras.saving.load_model(run_workdir / path)
        np.testing.assert_allclose(
            function(images),
            np.reshape(model(images), (3, -1)),
            rtol=1e-4,
            atol=1e-5,
        )
    card = (tmp_path / "out.md").read_text()
    assert "encoder.projection(images)" in card
    assert "encoder.classifier(images)" in card


@pytest.mark.slow
def test_an_earlier_export_is_replaced_when_told_to(
    workdir, tmp_path, quickly, capsys
):
    arguments = [f"--workdir={workdir}", f"--output={tmp_path / 'out'}"]
    assert main([*arguments, "--archive"]) == 0
    (tmp_path / "out" / "variables" / "old").write_text("of the first export")
    (tmp_path / "out.md").write_text("old card")
    before = everything_below(tmp_path)
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--overwrite" in line and str(tmp_path / "out") in line
    assert everything_below(tmp_path) == before
    assert main([*arguments, "--overwrite", "--archive"]) == 0
    assert not (tmp_path / "out" / "variables" / "old").exists()
    assert "# Module" in (tmp_path / "out.md").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {
        "workdir", "out", "out.md", "out.tar.gz", "out.tar.gz.sha256",
    }  # fmt: skip


@pytest.mark.slow
def test_printed_lines_load_the_encoder(workdir, tmp_path, capsys, quickly):
    pytest.importorskip("tensorflow_hub")
    arguments = [f"--workdir={workdir}", f"--output={tmp_path / 'out'}"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert f"Wrote out and out.md to {tmp_path}\n" in printed
    lines = printed.split("Next: in Python:\n")[1].splitlines()
    names = {"images": np.zeros((2, 8, 8, 3), np.float32)}
    exec("\n".join(line.strip() for line in lines), names)
    assert names["features"].shape == (2, 6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "differences",
    [
        {"inference": 2e-5, "training": 0.0},
        {"inference": 0.0, "training": 2e-3},
        {"inference": np.nan, "training": 0.0},
    ],
)
def test_model_that_differs_from_its_encoder_is_not_kept(
    differences, workdir, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        module, "compare_in_new_process", lambda *_, **__: differences
    )
    before = everything_below(tmp_path)
    output = tmp_path / "new" / "folders" / "out"
    with pytest.raises(RuntimeError, match="must equal the encoder"):
        main([f"--workdir={workdir}", f"--output={output}"])
    assert everything_below(tmp_path) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "step",
    [
        "write_saved_model",
        "compare_in_new_process",
        "write_archive",
        "model_card",
        "move_into_place",
    ],
)
def test_interrupted_export_leaves_nothing_behind(
    step, workdir, tmp_path, monkeypatch, quickly
):
    def interrupt(*arguments, **options):
        if step == "write_saved_model":
            os.mkdir(arguments[1])
        raise KeyboardInterrupt

    monkeypatch.setattr(module, step, interrupt)
    before = everything_below(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        export(workdir, tmp_path / "new" / "out", archive=True)
    assert everything_below(tmp_path) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("--output={new}", ["`workdir`", "None"]),
        ("--workdir= --output={new}", ["`workdir`", "''"]),
        ("--workdir={workdir}", ["`output`", "None"]),
        ("--workdir={workdir} --output", ["output"]),
        ("--workdir={tmp}/none --output={new}", ["{tmp}/none/encoder.keras"]),
        ("--workdir={tmp}/empty --output={new}", ["{tmp}/empty/encoder.keras"]),
        ("--workdir={tmp}/damaged --output={new}", ["{tmp}/damaged/encoder."]),
        ("--workdir={tmp}/maps --output={new}", ["[B, R]", "None, 4, 4, 3"]),
        ("--workdir={workdir} --output={tmp}/empty", ["{tmp}/empty"]),
        ("--workdir={workdir} --output={tmp}/file/a/b", ["{tmp}/file/a/b"]),
        ("--workdir={workdir} --output={tmp}/file/a", ["{tmp}/file/a"]),
        ("--workdir={workdir} --output=gs://bucket/a", ["gs://bucket/a"]),
        ("--workdir={workdir} --outptu={new}", ["outptu", "output"]),
        ("--workdir={workdir} --output={new} more", ["more"]),
        ("--workdir={workdir} --output={tmp}/card", ["{tmp}/card.md"]),
        ("--workdir={workdir} --output={tmp}/workdir --overwrite", ["else"]),
        ("--workdir={workdir} --output={tmp}/file --overwrite", ["else"]),
        ("--workdir={workdir} --output={new} --version=0", ["`version`", "0"]),
        ("--workdir={workdir} --output={new} --publisher=a/b", ["a/b"]),
        ("--workdir={workdir} --output={new} --model_name=ä", ["`model_name`"]),
        (
            "--workdir={workdir} --output={new} --include_projection",
            ["`include_projection`", "supcon_model.keras"],
        ),
        (
            "--workdir={workdir} --output={new} --include_classifier",
            ["`include_classifier`", "classifier.keras"],
        ),
        (
            "--workdir={workdir} --output={new} --include_unknown",
            ["`include_unknown`", "known_photographs.npz", "does not exist"],
        ),
    ],
)
def test_wrong_input_is_one_line_and_writes_nothing(
    arguments, named, workdir, tmp_path, capsys
):
    for folder in ("empty", "damaged", "maps"):
        (tmp_path / folder).mkdir()
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "card.md").write_text("somebody's card")
    content = (workdir / "encoder.keras").read_bytes()
    (tmp_path / "damaged" / "encoder.keras").write_bytes(content[:-500])
    maps = keras.Sequential([layers.Input((4, 4, 3)), layers.ReLU()])
    maps.save(tmp_path / "maps" / "encoder.keras")
    capsys.readouterr()
    before = everything_below(tmp_path)
    values = {"tmp": tmp_path, "workdir": workdir, "new": tmp_path / "a" / "b"}

    assert main(arguments.format(**values).split()) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("supcon-hub-export: error: ")
    for name in named:
        assert name.format(**values) in line
    assert everything_below(tmp_path) == before


def test_damaged_weights_are_wrong_input(workdir, tmp_path, capsys):
    path = workdir / "encoder.keras"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    path.write_bytes(content)
    assert main([f"--workdir={workdir}", f"--output={tmp_path / 'out'}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line


def test_help_prints_the_flags(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert "--workdir" in printed and "--output" in printed


def test_importing_the_command_defines_no_flags():
    assert not {"workdir", "output"} & set(absl.flags.FLAGS)


@pytest.mark.release
def test_command_runs_as_a_program(workdir, tmp_path):
    command = [sys.executable, "-m", "hub_export.export"]
    command += [f"--workdir={workdir}", f"--output={tmp_path / 'out'}"]
    for code, stream, text in (
        (0, "stdout", f"hub.load({str(tmp_path / 'out')!r})"),
        (2, "stderr", "supcon-hub-export: error: `output` must be"),
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        assert text in getattr(done, stream)
        assert "Traceback" not in done.stderr
