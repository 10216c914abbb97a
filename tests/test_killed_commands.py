"""A command that is killed while it writes is repeated as it was typed.

Each command runs once, undisturbed. Then the folder is made what a kill would
have left at each change to it, and the same command runs again: it must end
with the same files, and with nothing beside them.
"""

import csv
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from kill_points import kills_of, leave
from red_and_blue import write_red_and_blue
from tiny_encoder import tiny

from hub_export import export, exporting
from hub_export.comparison import compare
from supcon_tf import evaluate, linear_eval, pretrain
from supcon_tf.photographs import embed, first_answer, images, predict, search

SIZE = 8


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """What the commands read: photographs, an encoder, a folder to ask."""
    given = tmp_path_factory.mktemp("given")
    write_red_and_blue(given / "photos", 10, 12, 14)
    keras.utils.set_random_seed(0)
    tiny((SIZE, SIZE, 3)).save(given / "encoder.keras")
    flags = commands(given, given)["photos"][1]
    assert first_answer.main(flags) == 0
    (given / "P" / "history.csv").write_text("epoch,loss\n1,3\n2,2\n")
    return given


def commands(given, disk):
    """The commands: the function of each, and what is typed after it."""
    photos, run = given / "photos", given / "P"
    start = [
        f"--data_dir={photos}",
        f"--initial_encoder={given / 'encoder.keras'}",
        f"--image_size={SIZE}",
    ]
    few_steps = ["--batch_size=8", "--epochs=2", "--warmup_epochs=0"]
    small = ["--projection_units=8,4", "--augmentation=center_crop"]
    recipe = ["--recipe=folder", "--crop_area=none"]
    asked = [f"--encoder={run}", f"--images={photos}"]
    photo = str(photos / "red" / "0.png")
    evaluated = [f"--encoder={run}", f"--output={disk / 'E'}", "--figures"]
    exported = [f"--workdir={run}", f"--output={disk / 'new' / 'X'}"]
    exported.append("--archive")
    to_look_at = ["--page", "--projector"]
    typed = {
        "photos": [*start, "--num_views=1", f"--workdir={disk / 'P'}"],
        "pretrain": [
            *(*recipe, *start, *few_steps, *small),
            f"--workdir={disk / 'W'}",
        ],
        "linear_eval": [f"--workdir={disk / 'P'}"],
        "evaluate": [*evaluated, *to_look_at],
        "evaluate_again": [*evaluated, "--overwrite"],
        "export": [*exported, "--include_classifier"],
        "export_again": [*exported, "--hugging_face", "--overwrite"],
        "images": [
            *(str(photos), f"--figures={disk / 'F'}"),
            f"--json={disk / 'f.json'}",
        ],
        "embed": [*asked, f"--output={disk / 'vectors.npz'}"],
        "search": [
            *(*asked, f"--index={disk / 'i.npy'}"),
            *(f"--json={disk / 's.json'}", "--approximate", photo),
        ],
        "predict": [
            *(f"--workdir={disk / 'P'}", f"--csv={disk / 'p.csv'}"),
            *(f"--json={disk / 'p.json'}", photo),
        ],
    }
    modules = {
        "photos": first_answer,
        "pretrain": pretrain,
        "linear_eval": linear_eval,
        "evaluate": evaluate,
        "evaluate_again": evaluate,
        "export": export,
        "export_again": export,
        "images": images,
        "embed": embed,
        "search": search,
        "predict": predict,
    }
    return {name: (modules[name].main, typed[name]) for name in typed}


@pytest.fixture
def killed(given, tmp_path, monkeypatch):
    """A function that lists the kills of a command, and one that repeats it."""

    def compared(encoder, folder, pixels, **parts):
        loaded = tf.saved_model.load(str(folder / "saved_model"))
        return compare(encoder, loaded, **parts)

    monkeypatch.setattr(exporting, "compare_in_new_process", compared)
    disk = tmp_path / "disk"
    disk.mkdir()

    def started(name):
        main, flags = commands(given, disk)[name]
        if name in ("linear_eval", "predict"):  # they write where they read
            shutil.copytree(given / "P", disk / "P")
        if name.endswith("_again"):
            before, other_flags = commands(given, disk)[name[: -len("_again")]]
            assert before(other_flags) == 0
        return disk, lambda: main(list(flags))

    return started


def content(path):
    """What is in a file that the same command would write again."""
    if path.suffix == ".json":
        return json.loads(path.read_text())
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name: arrays[name] for name in arrays.files}
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as members:
            assert members.testzip() is None
        model = keras.saving.load_model(path, compile=False)
        return [weight.numpy() for weight in model.weights]
    if path.suffix in (".csv", ".tsv"):
        with open(path, newline="") as file:
            return [list(map(plain, row)) for row in csv.reader(file)]
    # A drawing, a page, a SavedModel and its sums differ from run to run.
    return path.stat().st_size > 0 or path.name == ".lock"


def plain(cell):
    """A cell of a table as a number, where it is one."""
    try:
        return float(cell)
    except ValueError:
        return cell


def written(disk):
    """Names and contents below a folder, but for TensorBoard's own files."""
    return {
        str(path.relative_to(disk)): content(path) if path.is_file() else None
        for path in disk.rglob("*")
        if "logs" not in path.relative_to(disk).parts
    }


# What tells when it was, how long it took, or how much of it was there.
DIFFERENT = ("date_saved", "seconds", "newly_encoded")


def assert_same(found, expected, where):
    """Compares names, words and, with room for rounding, numbers."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for name in expected.keys() - {*DIFFERENT}:
            assert_same(found[name], expected[name], (*where, name))
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for number, pair in enumerate(zip(found, expected, strict=True)):
            assert_same(*pair, (*where, number))
    elif np.asarray(expected).dtype.kind in "fiu":
        # A run that goes on adds up in another order.
        np.testing.assert_allclose(found, expected, atol=1e-4, err_msg=where)
    else:
        np.testing.assert_array_equal(found, expected, err_msg=where)


# Every how manyth kill is tried, by the day and before a release. Those that
# train, draw or trace take seconds each; with 1 they have all been tried.
OFTEN = {"images": 4, "embed": 2, "search": 4, "predict": 6}
ALWAYS = dict.fromkeys(commands(pathlib.Path(), pathlib.Path()), 3)
ALWAYS |= dict.fromkeys((*OFTEN, "linear_eval"), 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "every"),
    [
        *((name, every) for name, every in OFTEN.items()),
        *(
            pytest.param(name, every, marks=pytest.mark.release)
            for name, every in ALWAYS.items()
        ),
    ],
)
def test_a_killed_command_is_repeated_as_it_was_typed(
    name, every, killed, capsys
):
    disk, command = killed(name)
    statuses = []
    kills = kills_of(lambda: statuses.append(command()), disk)
    assert statuses == [0]
    expected = written(disk)
    for kill in kills[::every]:
        leave(kill, disk)
        capsys.readouterr()
        status = command()
        err = capsys.readouterr().err
        if status == 2 and name == "export":
            # But for clearing its own folder, it had finished.
            assert "but" in err and "does" in err
            assert "os.rmdir" in kill.before
            status = 0
        assert status == 0, (kill.before, err)
        assert_same(written(disk), expected, (kill.before,))
    with capsys.disabled():
        print(f"\n{name}: {len(kills[::every])} kill points")


KILLED = """
import sys
import kill_points, tiny_encoder
from {module} import main

number, folder, *argv = sys.argv[1:]
kill_points.kill_at(int(number), folder)
sys.exit(main(argv))
"""


@pytest.mark.release
@pytest.mark.parametrize(
    ("name", "numbers"),
    [("evaluate", (9, 30)), ("export", (12, 21)), ("photos", (14,))],
)
def test_kill_minus_9_leaves_what_the_same_command_repairs(
    name, numbers, given, killed, capsys
):
    disk, command = killed(name)
    assert command() == 0
    expected = written(disk)
    main, flags = commands(given, disk)[name]
    program = KILLED.format(module=main.__module__)
    for number in numbers:
        shutil.rmtree(disk)
        disk.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", program, str(number), str(disk), *flags],
            capture_output=True,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        names = {str(path.relative_to(disk)) for path in disk.rglob("*")}
        assert not names >= expected.keys()  # it had not finished
        assert command() == 0, capsys.readouterr().err
        assert_same(written(disk), expected, (number,))
