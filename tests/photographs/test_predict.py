"""supcon-predict and `predict`, on a workdir as the commands write it."""

import csv
import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

import supcon_tf
from supcon_tf.augmentations import resize_then_crop
from supcon_tf.config import PretrainConfig
from supcon_tf.data.datasets import load_dataset
from supcon_tf.evaluation.linear.fitting import fit_linear_classifier
from supcon_tf.photographs import predict as command
from supcon_tf.photographs.unknown import load_known

pytestmark = pytest.mark.slow
KNOWN = "known_photographs.npz"


@pytest.fixture(scope="module")
def workdir_to_copy(photographs_to_copy, any_size_encoder, tmp_path_factory):
    """A finished run on the photographs, and its classifier."""
    folder = tmp_path_factory.mktemp("workdir")
    config = PretrainConfig(
        dataset="folder",
        data_dir=str(photographs_to_copy),
        encoder="tiny",
        image_size=40,
    )
    text = json.dumps(dataclasses.asdict(config))
    (folder / "config.json").write_text(text)
    train, _ = load_dataset("folder", data_dir=photographs_to_copy)
    classifier, _ = fit_linear_classifier(
        any_size_encoder, train, augmentation=resize_then_crop, image_size=40
    )
    classifier.image_size = (40, 40)  # as linear evaluation does
    classifier.resizing = "resize_then_crop"
    classifier.save(folder / "classifier.keras")
    return folder


@pytest.fixture
def workdir(workdir_to_copy, tmp_path):
    """The run, to be changed at will."""
    shutil.copytree(workdir_to_copy, tmp_path / "w")
    return tmp_path / "w"


@pytest.fixture
def red(tmp_path):
    """A photograph of neither class."""
    path = tmp_path / "red.png"
    Image.new("RGB", (30, 20), (255, 0, 0)).save(path)
    return path


def run(workdir, *arguments):
    return command.main([f"--workdir={workdir}", *map(str, arguments)])


def test_photographs_are_classified_as_in_training(
    workdir, photographs, red, tmp_path, capsys
):
    torn = tmp_path / "torn.png"
    torn.write_text("no image")
    outputs = (f"--csv={tmp_path}/p.csv", f"--json={tmp_path}/p.json")
    capsys.readouterr()
    assert run(workdir, red, torn, photographs, "--top=9", *outputs) == 0
    out = capsys.readouterr().out
    assert "torn.png: damaged image (text)" in out and "1 of 14 files" in out
    assert f"Wrote {workdir / KNOWN}" in out
    first, *rows = json.loads((tmp_path / "p.json").read_text())
    assert (first["path"], first["name"]) == (str(red), "none of these")
    assert first["is_known"] is False
    assert len(rows) == 12
    known = [row["name"] for row in rows if row["is_known"]]
    assert len(known) >= 10  # 9 or 10 are training images: 95 % are kept
    classifier = keras.saving.load_model(workdir / "classifier.keras")
    for row in rows:
        assert row["classes"][0] in row["path"]
        image = np.asarray(Image.open(row["path"]))[None]
        scores = classifier(resize_then_crop(image, None, 40))[0].numpy()
        expected = np.sort(scores)[::-1]
        np.testing.assert_allclose(row["scores"], expected, atol=1e-5)
    with (tmp_path / "p.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["path"] for row in table] == [
        row["path"] for row in (first, *rows)
    ]
    assert table[0]["class"] == "none of these"
    assert float(table[1]["score_1"]) == pytest.approx(rows[0]["scores"][0])

    written = (workdir / KNOWN).stat().st_mtime_ns
    assert run(workdir, red) == 0
    assert "Encoding" not in capsys.readouterr().out
    assert (workdir / KNOWN).stat().st_mtime_ns == written


def test_python_gives_what_the_command_gives(workdir, photographs, red):
    files = [photographs / "sea" / "0.png", red]
    sea, other = supcon_tf.predict(workdir, files)
    assert (sea.name, sea.is_known, sea.distance) == ("sea", None, None)
    classifier = keras.saving.load_model(workdir / "classifier.keras")
    for given in (classifier, workdir / "classifier.keras"):
        assert supcon_tf.predict(given, files) == [sea, other]
    assert run(workdir, red) == 0
    sea, other = supcon_tf.predict(str(workdir), files)
    assert sea.is_known and other.name == "none of these"
    assert 0 <= sea.distance < other.distance
    known = load_known(workdir / KNOWN)
    strict = dataclasses.replace(known, keep=1e-9)
    (farthest,) = supcon_tf.predict(classifier, [files[1]], known=strict)
    assert farthest.is_known is False
    wrong = dataclasses.replace(known, fingerprint="another")
    for call, words in (
        ({"paths": files, "known": wrong}, "`known` must be of the classifier"),
        ({"paths": [red, "no.png"]}, "2, 1 of which cannot; the first: no.png"),
        ({"paths": red}, "`paths` must be a list of paths"),
        ({"paths": files, "batch_size": 0}, "`batch_size` must be an int >= 1"),
        (
            {"paths": files, "image_size": 20},
            "must be that of the classifier's",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            supcon_tf.predict(classifier, **call)


def test_wrong_input_is_one_line(workdir, photographs, red, tmp_path, capsys):
    text = tmp_path / "text.png"
    text.write_text("no image")
    other = tmp_path / "other"
    other.mkdir()
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(
        other / "classifier.keras"
    )
    capsys.readouterr()
    for call, status, words in (
        ((workdir,), 2, "must be given photographs or folders"),
        ((workdir, tmp_path / "no"), 2, "PHOTO must be a file or a folder"),
        ((tmp_path, red), 2, "`workdir` must hold classifier.keras"),
        ((other, red), 2, "`classifier` must be a LinearClassifier"),
        ((workdir, red, "--keep=1"), 2, "`keep` must be in (0, 1)"),
        ((workdir, red, "--data_dir=no"), 2, "--nounknown does without"),
        ((workdir, red, f"--csv={tmp_path}"), 2, "`csv` must be a file"),
        ((workdir, text, "--nounknown"), 1, "1 files, none of which can"),
    ):
        assert run(*call) == status
        err = capsys.readouterr().err
        assert words in err and err.count("\n") == 1
    assert not (workdir / KNOWN).exists()
    assert run(workdir, red, "--nounknown") == 0
    (workdir / KNOWN).write_text("damaged")
    assert run(workdir, red) == 2
    assert "must be what supcon-predict wrote" in capsys.readouterr().err
