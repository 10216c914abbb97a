"""Running a study: what is run again, what is kept, what fails."""

import dataclasses
import json
import threading
import time

import pytest
from kill_points import kills_of, leave
from PIL import Image

from supcon_tf.files import FolderInUseError, only_writer
from supcon_tf.recipes import RECIPES
from supcon_tf.studies import Run, plan
from supcon_tf.studies import runs as study_runs
from supcon_tf.studies.results import read_rows
from supcon_tf.studies.runs import (
    RunFailedError,
    StudyFailedError,
    is_finished,
    run_in_process,
    run_study,
)
from supcon_tf.training.workdir import write_config

ABOUT = {"study": "temperature", "recipe": "digits", "overrides": {}}
VARIED = ("temperature",)


def configs(*temperatures, **options):
    recipe, options = RECIPES["digits"], {"objectives": ["supcon"]} | options
    runs = plan("temperature", recipe, values=temperatures, **options)
    return [(run, dataclasses.replace(recipe, **run.overrides)) for run in runs]


@pytest.fixture
def started(monkeypatch):
    """The folders' names of the runs, which write what a run would, at once.

    A run with temperature 1 fails.
    """
    started = []

    def run(config, workdir, jobs, stopping):
        started.append(workdir.name)
        workdir.mkdir(parents=True, exist_ok=True)
        write_config(config, workdir)
        if config.temperature == 1:
            raise RunFailedError("DivergedError: too hot")
        (workdir / "encoder.keras").touch()
        results = {
            "top_1_accuracy": config.temperature,
            "top_5_accuracy": 1.0,
            "classifier_top_1_accuracy": None,
            "num_train_images": 1437,
        }
        (workdir / "linear_eval.json").write_text(json.dumps(results))

    monkeypatch.setattr(study_runs, "run_in_process", run)
    return started


def run(pairs, output, **options):
    options = {"figure": False, "about": ABOUT} | options
    return run_study(pairs, output, **options)


def test_each_run_has_a_folder_and_a_row(started, tmp_path, capsys):
    output = tmp_path / "new" / "study"
    rows = run(configs(0.5, 0.25), output)
    names = ["supcon-temperature-0.25-seed-0", "supcon-temperature-0.5-seed-0"]
    assert [row["run"] for row in rows] == names
    assert [row["top_1_accuracy"] for row in rows] == [0.25, 0.5]
    assert {row["error"] for row in rows} == {None}
    assert list(read_rows(output / "results.csv", VARIED).values()) == rows
    assert json.loads((output / "study.json").read_text()) == ABOUT
    assert {path.name for path in output.iterdir()} == {
        ".lock", "results.csv", "study.json", *names,
    }  # fmt: skip
    out = capsys.readouterr().out
    assert "temperature: 2 runs, 0 finished already" in out
    assert "1 of 2: supcon-temperature-0.5-seed-0: top-1 0.5000, " in out
    assert "2 of 2: supcon-temperature-0.25-seed-0: top-1 0.2500, " in out


def test_a_finished_run_is_not_run_again(started, tmp_path, capsys):
    first = run(configs(0.5, 0.25), tmp_path)
    assert run(configs(0.5, 0.25), tmp_path) == first  # seconds, too
    assert len(started) == 2
    assert "2 runs, 2 finished already" in capsys.readouterr().out
    (tmp_path / "supcon-temperature-0.5-seed-0" / "linear_eval.json").unlink()
    run(configs(0.5, 0.25), tmp_path)
    assert started[2:] == ["supcon-temperature-0.5-seed-0"]


def test_seeds_and_values_can_be_added(started, tmp_path):
    run(configs(0.5), tmp_path)
    rows = run(configs(0.5, 0.25, seeds=(1,)), tmp_path)
    assert [(row["temperature"], row["seed"]) for row in rows] == [
        (0.25, 1), (0.5, 0), (0.5, 1),
    ]  # fmt: skip
    assert len(started) == 3


def test_a_lost_table_is_written_anew(started, tmp_path):
    rows = run(configs(0.5, 0.25), tmp_path)
    (tmp_path / "results.csv").unlink()
    again = run(configs(0.5, 0.25), tmp_path)
    assert again == [row | {"seconds": None} for row in rows]
    assert len(started) == 2


def test_the_table_is_whole_after_each_run(started, tmp_path, monkeypatch):
    fake, seen = study_runs.run_in_process, []

    def look(config, workdir, jobs, stopping):
        seen.append(len(read_rows(tmp_path / "results.csv", VARIED)))
        fake(config, workdir, jobs, stopping)

    monkeypatch.setattr(study_runs, "run_in_process", look)
    run(configs(0.5), tmp_path)
    run(configs(0.5, 0.25), tmp_path)
    assert seen == [0, 1]


def test_a_run_that_fails_is_recorded_and_the_others_go_on(
    started, tmp_path, capsys
):
    with pytest.raises(StudyFailedError) as error:
        run(configs(0.5, 1.0, 0.25), tmp_path)
    assert str(error.value) == (
        "All 3 runs must finish; the same command tries those again that did "
        f"not. Received: 1 that failed, see {tmp_path / 'results.csv'} and "
        "output.txt in their folders"
    )
    assert len(started) == 3
    rows = read_rows(tmp_path / "results.csv", VARIED)
    failed = rows["supcon-temperature-1.0-seed-0"]
    assert failed["error"] == "DivergedError: too hot"
    assert failed["top_1_accuracy"] is None
    assert sum(row["error"] is None for row in rows.values()) == 2
    out = capsys.readouterr().out
    assert "supcon-temperature-1.0-seed-0: DivergedError: too hot" in out

    with pytest.raises(StudyFailedError):
        run(configs(0.5, 1.0, 0.25), tmp_path)
    assert started[3:] == ["supcon-temperature-1.0-seed-0"]
    # It is not in the way of others, and stays recorded.
    rows = run(configs(0.5, 0.25), tmp_path)
    assert [row["error"] for row in rows] == [None, None, failed["error"]]


def test_several_runs_go_on_at_a_time(tmp_path, monkeypatch):
    together = threading.Barrier(2, timeout=30)

    def wait(config, workdir, jobs, stopping):
        assert jobs == 2
        together.wait()
        raise RunFailedError("both were there")

    monkeypatch.setattr(study_runs, "run_in_process", wait)
    with pytest.raises(StudyFailedError):
        run(configs(0.5, 0.25), tmp_path, jobs=2)
    rows = read_rows(tmp_path / "results.csv", VARIED).values()
    assert {row["error"] for row in rows} == {"both were there"}


def test_what_stops_the_study_starts_no_other_run(tmp_path, monkeypatch):
    started = []

    def stop(config, workdir, jobs, stopping):
        started.append(workdir)
        raise KeyboardInterrupt

    monkeypatch.setattr(study_runs, "run_in_process", stop)
    with pytest.raises(KeyboardInterrupt):
        run(configs(*(i / 100 for i in range(1, 40))), tmp_path)
    assert len(started) < 39


def test_a_failure_stays_recorded_until_the_run_has_ended_otherwise(
    started, tmp_path, monkeypatch
):
    with pytest.raises(StudyFailedError):
        run(configs(1.0), tmp_path)
    before = (tmp_path / "results.csv").read_text()
    assert "too hot" in before

    def stop(config, workdir, jobs, stopping):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(study_runs, "run_in_process", stop)
        with pytest.raises(KeyboardInterrupt):
            run(configs(1.0), tmp_path)
    assert (tmp_path / "results.csv").read_text() == before


def test_an_evaluation_with_other_settings_is_refused(started, tmp_path):
    ((one, config),) = pairs = configs(0.5)
    run(pairs, tmp_path)
    path = tmp_path / one.name / "linear_eval.json"
    results = json.loads(path.read_text())
    for used, is_own in (
        ({"l2": [1.0], "data_dir": "elsewhere", "strategy": "one"}, True),
        ({"l2": [1.0, 10.0]}, False),
        ({"method": "augmented"}, False),
    ):
        path.write_text(json.dumps(results | {"config": used}))
        if is_own:
            assert is_finished(config, path.parent)
            continue
        with pytest.raises(ValueError, match="must be an evaluation with "):
            is_finished(config, path.parent)
    assert json.loads(path.read_text())["config"] == {"method": "augmented"}


def test_what_stops_the_study_ends_its_processes(tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(study_runs.sys, "executable", str(program))
    ((_, config),) = configs(0.5)
    stopping = threading.Event()
    threading.Timer(0.3, stopping.set).start()
    start = time.monotonic()
    with pytest.raises(RunFailedError, match="ended with signal 9"):
        run_in_process(config, tmp_path / "run", stopping=stopping)
    assert time.monotonic() - start < 30


def test_an_interrupted_study_asks_its_runs_to_stop(tmp_path, monkeypatch):
    together, stopped = threading.Barrier(2, timeout=30), threading.Event()

    def wait(config, workdir, jobs, stopping):
        together.wait()
        if config.temperature == 0.5:
            raise KeyboardInterrupt
        if stopping.wait(30):
            stopped.set()

    monkeypatch.setattr(study_runs, "run_in_process", wait)
    with pytest.raises(KeyboardInterrupt):
        run(configs(0.5, 0.25), tmp_path, jobs=2)
    assert stopped.wait(30)


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "null",
        "{",
        "[" * 100_000,
        '{"top_1_accuracy": "high"}',
        '{"top_1_accuracy": null}',
        '{"top_1_accuracy": 1e999}',
        '{"top_1_accuracy": 0.5, "top_5_accuracy": [1]}',
        '{"top_1_accuracy": 0.5, "config": 3}',
        '{"num_train_images": 3}',
        '{"top_1_accuracy": 0.5, "num_train_images": true}',
    ],
    ids=lambda text: text[:60],
)
def test_results_that_are_none_are_one_line(text, started, tmp_path):
    """They ended a sweep in a traceback, or stood in its table as a word."""
    (pair,) = configs(0.5)
    run([pair], tmp_path)
    path = tmp_path / pair[0].name / "linear_eval.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"linear_eval\.json must hold the"):
        is_finished(pair[1], path.parent)
    path.unlink()
    assert not is_finished(pair[1], path.parent)


def test_a_killed_study_is_repeated_and_ends_as_an_undisturbed_one(
    started, tmp_path
):
    def study():
        run(configs(0.5, 0.25), tmp_path)

    def written():
        rows = read_rows(tmp_path / "results.csv", VARIED).values()
        return [row | {"seconds": None} for row in rows], {
            str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")
        }

    kills, expected = kills_of(study, tmp_path), written()
    assert len(kills) > 20
    for kill in kills:
        leave(kill, tmp_path)
        study()
        assert written() == expected, kill.before


def test_one_study_at_a_time_writes_to_a_folder(started, tmp_path):
    with only_writer(tmp_path), pytest.raises(FolderInUseError):
        run(configs(0.5), tmp_path)
    assert started == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("study", "drawing", "loss"),
    [
        ("temperature", "accuracy_curves", {"loss": "sincere"}),
        ("hyperparameters", "accuracy_boxes", {}),
    ],
)
def test_the_figure_is_drawn_of_all_rows_and_names_another_loss(
    study, drawing, loss, started, tmp_path, monkeypatch
):
    pytest.importorskip("matplotlib")
    recipe = RECIPES["digits"]
    pairs = [
        (one, dataclasses.replace(recipe, **one.overrides, crop_area=None))
        for one in plan(study, recipe, objectives=["supcon"])
        if one.settings.get("temperature") != 1
    ]
    draw, drawn = getattr(study_runs, drawing), []
    monkeypatch.setattr(
        study_runs,
        drawing,
        lambda rows, *others, **options: (
            drawn.append((rows, options["title"]))
            or draw(rows, *others, **options)
        ),
    )
    about = ABOUT | {"study": study, "overrides": loss}
    rows = run(pairs, tmp_path, figure=True, about=about)
    title = f"Study: {study} (recipe digits)"
    assert drawn == [(rows, title + (", loss sincere" if loss else ""))]
    assert len(rows) == len(pairs)
    assert [path.name for path in tmp_path.glob("*.png")] == [f"{study}.png"]
    with Image.open(tmp_path / f"{study}.png") as image:
        assert image.format == "PNG"


def test_without_any_result_there_is_no_figure(started, tmp_path):
    with pytest.raises(StudyFailedError):
        run(configs(1.0), tmp_path, figure=True)
    assert not list(tmp_path.glob("*.png"))


def test_what_has_no_such_setting_has_an_empty_cell(started, tmp_path, capsys):
    pairs = configs(0.5, objectives=["supcon", "simclr"])
    pairs += [(Run("max_margin", {}, 0), pairs[0][1])]
    for _ in range(2):  # anew, and with the table read
        rows = run(pairs, tmp_path)
        assert [row.get("temperature") for row in rows] == [None, 0.5, 0.5]
        out = capsys.readouterr().out
        assert "max_margin  -            1      50.00" in out


def test_without_any_result_of_the_setting_there_is_no_figure(
    started, tmp_path
):
    (pair,) = configs(1.0)
    baseline = Run("cross_entropy", {}, 0), RECIPES["digits"]
    with pytest.raises(StudyFailedError):
        run([pair, baseline], tmp_path, figure=True)
    assert "cross_entropy-seed-0" in (tmp_path / "results.csv").read_text()
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.release
def test_a_process_that_fails_says_why(tmp_path):
    ((_, config),) = configs(0.5)
    config = dataclasses.replace(config, batch_size=2000, encoder="resnet19")
    with pytest.raises(RunFailedError) as error:
        run_in_process(config, tmp_path / "run", jobs=2)
    text = str(error.value)
    assert text.startswith("ValueError: `")
    assert "Received: " in text
    assert "\n" not in text
    assert "Traceback" in (tmp_path / "run" / "output.txt").read_text()


def test_a_process_that_is_killed_is_a_run_that_failed(tmp_path, monkeypatch):
    ((_, config),) = configs(0.5)
    for shell, words in (
        ("kill -9 $$", "The process ended with signal 9"),
        ("exit 3", "The process ended with status 3"),
    ):
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{shell}\n")
        program.chmod(0o755)
        monkeypatch.setattr(study_runs.sys, "executable", str(program))
        with pytest.raises(RunFailedError) as error:
            run_in_process(config, tmp_path / "run")
        assert str(error.value) == words
