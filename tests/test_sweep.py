"""The sweep command: its runs, its settings, what it refuses, a real study."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from supcon_tf import sweep
from supcon_tf.files import only_writer
from supcon_tf.recipes import RECIPES
from supcon_tf.studies import figures as study_figures
from supcon_tf.studies import runs as study_runs
from supcon_tf.studies.runs import RunFailedError
from supcon_tf.training.workdir import write_config


def run(capsys, *argv):
    status = sweep.main(["--recipe=digits", *argv])
    out, err = capsys.readouterr()
    if status:
        assert err.startswith("supcon-sweep: error: ")
        assert err.count("\n") == 1, err
    return status, out, err


def test_list_prints_the_runs_and_writes_nothing(tmp_path, capsys):
    status, out, _ = run(
        capsys,
        "--study=batch_size",
        "--values=8,16",
        "--seeds=0,5",
        f"--output={tmp_path / 'new'}",
        "--list",
    )
    assert status == 0
    assert out.splitlines() == [
        f"{objective}-batch_size-{size}-seed-{seed}"
        for objective in ("supcon", "cross_entropy")
        for size in (8, 16)
        for seed in (0, 5)
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def ran(monkeypatch):
    """The configs of runs, which write what a run would, at once."""
    ran = []

    def fake(config, workdir, jobs, stopping):
        ran.append(config)
        workdir.mkdir(parents=True, exist_ok=True)
        write_config(config, workdir)
        if config.temperature == 1:
            raise RunFailedError("too hot")
        (workdir / "encoder.keras").touch()
        results = {"top_1_accuracy": config.temperature}
        (workdir / "linear_eval.json").write_text(json.dumps(results))

    monkeypatch.setattr(study_runs, "run_in_process", fake)
    return ran


def test_the_command_runs_the_study_and_goes_on_with_it(ran, tmp_path, capsys):
    command = (
        "--study=temperature",
        "--values=0.5,0.25",
        "--width=0.5",
        f"--output={tmp_path}",
        "--nofigure",
    )
    status, out, _ = run(capsys, *command)
    assert status == 0
    assert "temperature: 3 runs, 0 finished already" in out
    assert [(config.objective, config.temperature) for config in ran] == [
        ("supcon", 0.5), ("supcon", 0.25), ("cross_entropy", 0.1),
    ]  # fmt: skip
    assert {config.width for config in ran} == {0.5}
    # Where the data is may change; what the study is may not.
    status, out, _ = run(capsys, *command, "--data_dir=elsewhere")
    assert "3 runs, 3 finished already" in out
    status, _, err = run(capsys, *command, "--epochs=4")
    assert status == 2
    assert "`output` must be a folder of its own for each study" in err
    assert len(ran) == 3


def test_the_status_is_1_if_a_run_failed(ran, tmp_path, capsys):
    status, out, err = run(
        capsys,
        "--study=temperature",
        "--values=1,0.5",
        f"--output={tmp_path}",
        "--nofigure",
    )
    assert status == 1
    assert "All 3 runs must finish" in err
    assert "failed: supcon-temperature-1.0-seed-0: too hot" in out
    assert len(ran) == 3


def test_a_folder_in_use_is_one_line(ran, tmp_path, capsys):
    with only_writer(tmp_path):
        status, _, err = run(
            capsys, "--study=temperature", f"--output={tmp_path}", "--nofigure"
        )
    assert status == 1
    assert "must not be in use" in err
    assert ran == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--study=size"], "`study` must be one of ['batch_size', "),
        ([], "`study` must be one of"),
        (["--recipe=digit"], "`recipe` must be one of"),
        (["--temperature=1"], "`temperature` must be left out with study="),
        (["--seed=1"], "`seed` must be left out with study='temperature', "),
        (["--objective=simclr"], "where --objectives decides it. Received: "),
        (["--values=0.1,0"], "`temperature` must be > 0"),
        (["--values=hot"], "temperature"),
        (["--values="], "`values` must be one or more"),
        (["--seeds=0,x"], "`seeds` must be comma-separated integers"),
        (["--seeds=-1"], "`seed` must be in [0, 2**32)"),
        (["--seeds="], "`seeds` must be one or more"),
        (["--jobs=0"], "`jobs` must be an int >= 1"),
        (
            ["--epochs=2", "--warmup_epochs=2"],
            "`warmup_epochs` must be < epochs=2",
        ),
        (["--augmentation=none"], "`augmentation` must be one of"),
        (["--strategy=multi_worker"], "`strategy` must be one of one machine"),
        (
            ["--objectives=cross_entropy"],
            "`objectives` must have one with temperature, which "
            "study='temperature' varies. Received: objectives=cross_entropy",
        ),
        (["--objectives=ce"], "Received: objectives='ce'"),
        (["--output="], "`output` must be the folder to write to"),
        (
            ["--study=hyperparameters", "--optimizer=lars"],
            "`optimizer` must be left out with study='hyperparameters', where "
            "the study decides it",
        ),
        (
            ["--study=hyperparameters", "--learning_rate=0.1"],
            "`base_learning_rate` must be left out with learning_rate=0.1",
        ),
        (
            ["--study=hyperparameters", "--values=1"],
            "`values` must be left out with study='hyperparameters'",
        ),
    ],
)
def test_wrong_inputs_are_one_line_and_write_nothing(
    arguments, words, ran, tmp_path, capsys
):
    if arguments and not arguments[0].startswith("--study"):
        arguments = ["--study=temperature", *arguments]
    status, out, err = run(capsys, f"--output={tmp_path / 'new'}", *arguments)
    assert status == 2
    assert words in err
    assert out == ""
    assert ran == []
    assert list(tmp_path.iterdir()) == []


def test_what_is_anothers_is_refused(ran, tmp_path, capsys):
    command = ("--study=temperature", f"--output={tmp_path}", "--nofigure")
    table = tmp_path / "results.csv"
    table.write_text("my,own\n1,2\n")
    status, _, err = run(capsys, *command)
    assert status == 2
    assert "results.csv must be a table with the columns" in err
    table.unlink()
    workdir = tmp_path / "supcon-temperature-0.1-seed-0"
    workdir.mkdir()
    write_config(dataclasses.replace(RECIPES["digits"], batch_size=32), workdir)
    status, _, err = run(capsys, *command)
    assert status == 2
    assert "`batch_size` must be 32, as in the run that" in err
    assert {path.name for path in tmp_path.iterdir()} == {workdir.name}
    file = workdir / "config.json"
    status, _, err = run(capsys, *command[:1], f"--output={file}")
    assert status == 2
    assert "`output` must be a folder that can be written to" in err
    assert ran == []


def test_without_matplotlib_nothing_is_run_in_vain(
    ran, tmp_path, capsys, monkeypatch
):
    def absent(package, option):
        raise ValueError(f"{option} must be False (--nofigure)")

    monkeypatch.setattr(sweep, "check_extra", absent)
    monkeypatch.setattr(study_figures, "accuracy_curves", None)
    command = ("--study=temperature", "--values=0.5", f"--output={tmp_path}")
    status, _, err = run(capsys, *command)
    assert status == 2
    assert "(--nofigure)" in err
    assert list(tmp_path.iterdir()) == []
    assert run(capsys, *command, "--nofigure")[0] == 0


@pytest.mark.release
def test_a_study_is_finished_after_a_kill(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    flags = [
        "--study=batch_size",
        "--recipe=digits",
        "--objectives=supcon",
        "--values=512,600,2000",  # of which the last has no 2,000 images
        "--width=0.0625",
        "--projection_units=8",
        "--epochs=3",
        "--warmup_epochs=0",
        f"--output={tmp_path}",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "supcon_tf.sweep", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    first, second, third = (
        tmp_path / f"supcon-batch_size-{size}-seed-0"
        for size in (512, 600, 2000)
    )
    while not (second / "checkpoint-00001.npz").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (second / "linear_eval.json").exists()
    with open(tmp_path / "results.csv", newline="") as file:
        assert [row["run"] for row in csv.DictReader(file)] == [first.name]
    before = os.stat(first / "linear_eval.json").st_mtime_ns
    for _ in range(300):  # its process ends with the sweep
        try:
            with only_writer(second):
                break
        except Exception:
            time.sleep(0.1)

    status, out, err = run(capsys, *flags)
    assert status == 1
    assert "3 runs, 1 finished already" in out
    assert "Received: 1 that failed" in err
    assert os.stat(first / "linear_eval.json").st_mtime_ns == before
    text = (second / "output.txt").read_text()
    assert "goes on after epoch" in text
    with open(tmp_path / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["batch_size"] for row in rows] == ["512", "600", "2000"]
    for row, workdir in zip(rows, (first, second), strict=False):
        results = json.loads((workdir / "linear_eval.json").read_text())
        assert float(row["top_1_accuracy"]) == results["top_1_accuracy"]
        assert row["error"] == ""
    assert rows[2]["error"].startswith("ValueError: `batch_size` must be")
    assert not (third / "encoder.keras").exists()
    assert (tmp_path / "batch_size.png").stat().st_size > 10_000
