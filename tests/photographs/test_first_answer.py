"""supcon-photos: from a folder to what can be asked."""

import json
import shutil

import keras
import numpy as np
import pytest
from red_and_blue import write_red_and_blue
from tiny_encoder import tiny

from supcon_tf import evaluate
from supcon_tf.photographs import first_answer, predict, search
from supcon_tf.photographs.prediction import KNOWN_FILE
from supcon_tf.photographs.unknown import load_known

SIZE = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes: red photographs and blue ones, 12 of each."""
    folder = tmp_path_factory.mktemp("photographs")
    write_red_and_blue(folder, 12, 20, 24)
    return folder


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory):
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("encoder") / "encoder.keras"
    tiny((SIZE, SIZE, 3)).save(path)
    return path


@pytest.fixture(scope="module")
def flags(folder, encoder_file):
    return [
        f"--data_dir={folder}",
        f"--initial_encoder={encoder_file}",
        f"--image_size={SIZE}",
        "--num_views=2",
    ]


@pytest.fixture(scope="module")
def workdir(flags, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("first answer") / "new"
    assert first_answer.main([*flags, f"--workdir={workdir}"]) == 0
    return workdir


@pytest.mark.slow
def test_it_writes_what_can_be_asked(workdir, folder, capsys):
    results = json.loads((workdir / "first_answer.json").read_text())
    assert results["top_1_accuracy"] == 1
    # A fifth of each class, rounded up.
    assert (results["num_train_images"], results["num_test_images"]) == (18, 6)
    assert results["similarity_head"]["map_at_r"] > 0.9
    photo = folder / "red" / "0.png"
    assert (
        predict.main([f"--workdir={workdir}", "--nounknown", str(photo)]) == 0
    )
    assert "red" in capsys.readouterr().out
    asked = [f"--encoder={workdir}", f"--images={folder}", str(photo)]
    assert search.main([*asked, "--top=2"]) == 0
    assert "red/0.png" in capsys.readouterr().out


@pytest.mark.slow
def test_none_of_these_needs_the_photographs_no_more(
    workdir, folder, tmp_path, capsys
):
    photo = str(folder / "red" / "0.png")
    kept = load_known(workdir / KNOWN_FILE)
    copy = tmp_path / "copy"
    shutil.copytree(workdir, copy)
    asked = [f"--workdir={copy}", photo]
    assert predict.main(asked) == 0
    assert "Encoding" not in capsys.readouterr().out
    # What the command would have computed is the same.
    (copy / KNOWN_FILE).unlink()
    assert predict.main(asked) == 0
    assert "Encoding" in capsys.readouterr().out
    made = load_known(copy / KNOWN_FILE)
    assert made.fingerprint == kept.fingerprint
    np.testing.assert_allclose(made.vectors, kept.vectors, atol=1e-6)
    np.testing.assert_allclose(made.held_out, kept.held_out, atol=1e-6)


@pytest.mark.slow
def test_the_command_that_comes_next_takes_a_dozen_photographs(
    encoder_file, tmp_path, capsys
):
    write_red_and_blue(tmp_path / "dozen", 6, 20, 24)
    workdir = tmp_path / "W"
    flags = [f"--data_dir={tmp_path / 'dozen'}", f"--image_size={SIZE}"]
    flags += [f"--initial_encoder={encoder_file}", "--num_views=2"]
    assert first_answer.main([*flags, f"--workdir={workdir}"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    words = last.rpartition("supcon-evaluate ")[2].split()
    assert words[-1] == "--page"
    assert evaluate.main(words) == 0
    assert (workdir / "page" / "page.html").is_file()


@pytest.mark.slow
def test_the_same_command_computes_no_features_again(
    workdir, flags, monkeypatch, capsys
):
    before = json.loads((workdir / "first_answer.json").read_text())

    def none(*args, **kwargs):
        raise AssertionError("computed again")

    monkeypatch.setattr(
        "supcon_tf.photographs.similarity_head.augmented_features", none
    )
    assert first_answer.main([*flags, f"--workdir={workdir}"]) == 0
    after = json.loads((workdir / "first_answer.json").read_text())
    assert after["similarity_head"] == before["similarity_head"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--image_size=12"], "`workdir` must be a new folder"),
        (["--data_dir=/none", "--workdir=none"], "`data_dir` must be a fol"),
        (["--workdir="], "`workdir` must be the folder to write to"),
        (["--num_views=0"], "`num_views` must be"),
    ],
)
def test_wrong_input_is_one_line_and_nothing_is_written(
    changes, message, flags, workdir, capsys
):
    before = {path.name for path in workdir.iterdir()}
    assert first_answer.main([*flags, f"--workdir={workdir}", *changes]) == 2
    err = capsys.readouterr().err
    assert err.startswith("supcon-photos: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert {path.name for path in workdir.iterdir()} == before
