"""Runs a study: each run that is not finished, in a process of its own."""

import concurrent.futures
import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
import traceback

from supcon_tf.config import LinearEvalConfig, PretrainConfig
from supcon_tf.config.last_lines import print_last_lines
from supcon_tf.config.pretrain import MAY_CHANGE
from supcon_tf.errors import RunStoppedError
from supcon_tf.files import as_json, only_writer, written_whole
from supcon_tf.linear_eval import linear_eval
from supcon_tf.pretrain import pretrain
from supcon_tf.studies.figures import accuracy_boxes, accuracy_curves
from supcon_tf.studies.grids import STUDIES
from supcon_tf.studies.results import (
    in_order,
    read_rows,
    results_table,
    row_of,
    write_rows,
)
from supcon_tf.training.linear_results import read_linear_results

_PATIENCE = 0.1  # seconds between two looks at a run's process
_FAILED = "This run failed: "  # before the reason, in output.txt


class RunFailedError(Exception):
    """A run has no results."""


class StudyFailedError(RunStoppedError):
    """Some of the runs have no results."""


def run_study(configs, output, *, about, jobs=1, figure=True):
    """Runs the runs of a study that are not finished.

    Args:
      configs: list of pairs of a `studies.Run` and its `PretrainConfig`.
      output: `pathlib.Path` of the folder to write to. It is made if it does
        not exist.
      about: dict for study.json that tells this study from others: `study`,
        its name in STUDIES; `recipe`, the name of the recipe; and `overrides`.
      jobs: int >= 1, the number of runs at a time, 1 by default.
      figure: whether to draw OUTPUT/STUDY.png, True by default.

    Returns:
      The rows of results.csv, a list of dicts.

    Raises:
      ValueError: if the table or a run's folder belongs to another study.
      FolderInUseError: if another process writes to the folder.
      StudyFailedError: at the end, if runs failed.
    """
    study = about["study"]
    varied = STUDIES[study].varied
    with only_writer(output):
        with written_whole(output / "study.json") as path:
            path.write_text(study_text(about), encoding="utf-8")
        rows = read_rows(output / "results.csv", varied)
        waiting = []
        for run, config in configs:
            workdir = output / run.name
            if is_finished(config, workdir):
                seconds = rows.get(run.name, {}).get("seconds")
                rows[run.name] = _finished_row(run, study, workdir, seconds)
            else:
                waiting.append((run, config))
        write_rows(output / "results.csv", rows.values(), varied)
        done = len(configs) - len(waiting)
        print(f"{study}: {len(configs)} runs, {done} finished already")
        for row in _rows_as_they_come(study, waiting, output, jobs):
            rows[row["run"]] = row
            done += 1
            accuracy, reason = row["top_1_accuracy"], row["error"]
            what = f"top-1 {accuracy:.4f}" if reason is None else reason
            line = f"{row['run']}: {what}, {row['seconds']} s"
            print(f"{done} of {len(configs)}: {line}", flush=True)
            write_rows(output / "results.csv", rows.values(), varied)
        rows = in_order(rows.values(), varied)
        print(results_table(rows, varied))
        written = ["results.csv"]
        if figure and _draw(about, rows, output / f"{study}.png"):
            written.append(f"{study}.png")
        _print_last_lines(rows, output, written)
    names = {run.name for run, _ in configs}
    failed = [r for r in rows if r["error"] is not None and r["run"] in names]
    if failed:
        raise StudyFailedError(
            f"All {len(configs)} runs must finish; the same command tries "
            f"those again that did not. Received: {len(failed)} that failed, "
            f"see {output / 'results.csv'} and output.txt in their folders"
        )
    return rows


def study_text(about):
    """Returns the text of study.json, for `about` as in `run_study`."""
    return as_json(about)


def is_finished(config, workdir):
    """Checks whether a folder holds a run and its evaluation, both finished.

    Args:
      config: `PretrainConfig` of the run.
      workdir: `pathlib.Path` of the folder.

    Returns:
      True or False.

    Raises:
      ValueError: if the folder holds another run, or an evaluation with other
        settings than a study has, whose numbers could not be compared.
    """
    from supcon_tf.training.workdir import look_at  # it loads TensorFlow

    is_trained = look_at(workdir, config)["is_finished"]
    path = workdir / "linear_eval.json"
    if not (is_trained and path.exists()):
        return False
    own = json.loads(json.dumps(dataclasses.asdict(LinearEvalConfig())))
    results = read_linear_results(path, required=("top_1_accuracy",))
    used = results.get("config", {})
    for name, value in own.items():
        if name not in MAY_CHANGE and used.get(name, value) != value:
            raise ValueError(
                f"{path} must be an evaluation with {name}={value!r}, as those "
                "of a study are; delete it to have it made anew. "
                f"Received: {name}={used[name]!r}"
            )
    return True


def run_in_process(config, workdir, jobs=1, stopping=None):
    """Pretrains and evaluates in a fresh process, which prints to output.txt.

    The process shares the machine with `jobs - 1` others, and is ended when
    `stopping`, a `threading.Event`, is set. Without results, a `RunFailedError`
    says why.
    """
    stopping, shared = stopping or threading.Event(), {}
    if jobs > 1:
        threads = max(1, os.cpu_count() // jobs)
        shared = {
            "TF_NUM_INTRAOP_THREADS": str(threads),
            # By default a process takes all memory of a GPU.
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        }
    settings = dataclasses.asdict(config)
    workdir.mkdir(parents=True, exist_ok=True)
    with (
        open(workdir / "output.txt", "wb") as output,
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from supcon_tf.studies.runs import run_here; "
                f"run_here({str(workdir)!r}, **{settings!r})",
            ],
            env={**os.environ, **shared},
            stdin=subprocess.PIPE,  # see `_end_with_the_study`
            stdout=output,
            stderr=output,
        ) as process,
    ):
        while (status := process.poll()) is None:
            if stopping.wait(_PATIENCE):
                # The same command can resume the run, as after any kill.
                process.kill()
    if status == 0:
        return
    text = (workdir / "output.txt").read_text("utf-8", errors="replace")
    reasons = [line for line in text.splitlines() if line.startswith(_FAILED)]
    if reasons:
        raise RunFailedError(reasons[-1].removeprefix(_FAILED))
    how = f"status {status}" if status > 0 else f"signal {-status}"
    raise RunFailedError(f"The process ended with {how}")


def run_here(workdir, **settings):
    """Does the work of `run_in_process`, and ends the process if it fails."""
    _end_with_the_study()
    config = PretrainConfig(**settings)
    evaluation = LinearEvalConfig(
        data_dir=config.data_dir,
        strategy=config.strategy,
        safe_mode=config.safe_mode,
    )
    try:
        pretrain(config, workdir)
        linear_eval(evaluation, workdir)
    except Exception as error:  # whatever it is, the other runs go on
        traceback.print_exc()
        reason = " ".join(str(error).split())
        print(f"\n{_FAILED}{type(error).__name__}: {reason}", flush=True)
        sys.exit(1)


def _end_with_the_study():
    """Ends this process when the one that started it is gone or killed.

    Otherwise a run would go on unseen, and block the same command. The standard
    input is a pipe from the other process, which writes nothing into it. The
    pipe ends with that process.
    """

    def watch():
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _rows_as_they_come(study, waiting, output, jobs):
    """Runs those that wait, `jobs` at a time, and yields a row for each."""
    stopping = threading.Event()

    def row(run, config):
        start = time.perf_counter()
        error = None
        try:
            run_in_process(config, output / run.name, jobs, stopping)
        except RunFailedError as failure:
            error = str(failure)
        seconds = round(time.perf_counter() - start, 1)
        if error is not None:
            return row_of(run, study, seconds=seconds, error=error)
        return _finished_row(run, study, output / run.name, seconds)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(row, *pair) for pair in waiting]
        try:
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        finally:  # after Ctrl-C, too
            stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _finished_row(run, study, workdir, seconds):
    results = read_linear_results(
        workdir / "linear_eval.json", required=("top_1_accuracy",)
    )
    return row_of(run, study, results=results, seconds=seconds)


def _draw(about, rows, path):
    """Draws the figure; returns whether there was anything to draw."""
    name = about["study"]
    study = STUDIES[name]
    column = study.column or study.varied[0]
    if not any(
        row["error"] is None and row.get(column) is not None for row in rows
    ):
        return False
    title = f"Study: {name.replace('_', ' ')} (recipe {about['recipe']})"
    loss = about["overrides"].get("loss", "supcon")
    if loss != "supcon":
        title += f", loss {loss}"
    num_failed = sum(row["error"] is not None for row in rows)
    if num_failed:
        title += f" ({num_failed} failed)"
    with written_whole(path) as aside:
        if study.column is None:
            accuracy_boxes(rows, study.varied, aside, title=title)
        else:
            accuracy_curves(
                rows, study.column, aside, label=study.label, title=title
            )
    return True


def _print_last_lines(rows, output, written):
    """Prints which run was right most often, and where the numbers are."""
    finished = [row for row in rows if row["error"] is None]
    best = max(finished, key=lambda row: row["top_1_accuracy"], default=None)
    result = "No run has finished"
    if best is not None:
        result = (
            f"{len(finished)} of {len(rows)} runs have finished; the highest "
            f"top-1 is {best['top_1_accuracy']:.4f}, of {best['run']}"
        )
    print_last_lines(
        result,
        folder=output,
        written=written,
        following=["the same command with more --seeds, which adds runs"],
    )
