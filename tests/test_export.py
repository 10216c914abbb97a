"""Tests of hub_export/export.py: from encoder.keras to a checked SavedModel."""

import os
import subprocess
import sys

import absl.flags
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from hub_export import export as module
from hub_export.export import export, main


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


def everything_below(folder):
    """All paths below a folder, with the content of the files."""
    return {
        path: path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_exported_model_computes_what_the_encoder_does(encoder, workdir):
    output = workdir / "hub" / "encoder"
    facts = export(workdir, output)
    assert facts["path"] == str(output)
    assert facts["images"] == (None, None, None, 3)
    assert facts["features"] == 6
    assert facts["parameters"] == encoder.count_params() == 192
    assert facts["largest_difference"] <= 1e-5
    assert facts["seconds"] > 0
    images = np.random.default_rng(0).random((2, 9, 9, 3), dtype=np.float32)
    features = tf.saved_model.load(str(output))(images)
    np.testing.assert_allclose(features, encoder(images), rtol=1e-5, atol=1e-6)


def test_export_writes_the_output_folder_and_nothing_else(workdir, tmp_path):
    before = everything_below(tmp_path)
    export(str(workdir), str(tmp_path / "saved_model"))
    after = everything_below(tmp_path)
    new = {
        path.relative_to(tmp_path).parts[0] for path in after.keys() - before
    }
    assert new == {"saved_model"}
    assert before.items() <= after.items()
    (tmp_path / "usual").mkdir()
    mode = (tmp_path / "usual").stat().st_mode
    assert (tmp_path / "saved_model").stat().st_mode == mode


def test_printed_lines_load_the_encoder(workdir, tmp_path, capsys):
    pytest.importorskip("tensorflow_hub")
    arguments = [f"--workdir={workdir}", f"--output={tmp_path / 'out'}"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    lines = printed.split("Load it with\n")[1].splitlines()
    names = {"images": np.zeros((2, 8, 8, 3), np.float32)}
    exec("\n".join(line.strip() for line in lines), names)
    assert names["features"].shape == (2, 6)


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
    monkeypatch.setattr(module, "compare", lambda *_: differences)
    before = everything_below(tmp_path)
    output = tmp_path / "new" / "folders" / "out"
    with pytest.raises(RuntimeError, match="must equal the encoder"):
        main([f"--workdir={workdir}", f"--output={output}"])
    assert everything_below(tmp_path) == before


@pytest.mark.parametrize("step", ["write_saved_model", "compare"])
def test_interrupted_export_leaves_nothing_behind(
    step, workdir, tmp_path, monkeypatch
):
    def interrupt(encoder, path):
        if step == "write_saved_model":
            os.mkdir(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, step, interrupt)
    before = everything_below(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        export(workdir, tmp_path / "new" / "out")
    assert everything_below(tmp_path) == before


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
    ],
)
def test_wrong_input_is_one_line_and_writes_nothing(
    arguments, named, workdir, tmp_path, capsys
):
    for folder in ("empty", "damaged", "maps"):
        (tmp_path / folder).mkdir()
    (tmp_path / "file").write_text("not a folder")
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


@pytest.mark.slow
def test_command_runs_as_a_program(workdir, tmp_path):
    command = [sys.executable, "-m", "hub_export.export"]
    command += [f"--workdir={workdir}", f"--output={tmp_path / 'out'}"]
    for code, stream, text in (
        (0, "stdout", f'hub.load("{tmp_path / "out"}")'),
        (2, "stderr", "supcon-hub-export: error: `output` must be"),
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        assert text in getattr(done, stream)
        assert "Traceback" not in done.stderr
