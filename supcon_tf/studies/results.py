"""Keeps the results of a study: a row for each run, as CSV and as a table."""

import csv
import io
import json
import statistics

from supcon_tf.files import read_text, written_whole

_ACCURACIES = (
    "top_1_accuracy",
    "top_5_accuracy",
    "classifier_top_1_accuracy",
)


def columns_of(varied):
    """Lists the columns of results.csv for a study that varies `varied`."""
    return [
        "run",
        "study",
        "objective",
        *varied,
        "seed",
        "num_train_images",
        *_ACCURACIES,
        "seconds",
        "error",
    ]


def row_of(run, study, *, results=None, seconds=None, error=None):
    """Makes the row of a run, a dict.

    A value that is not known is None. A setting that the objective does not
    have is missing from the row.

    Args:
      run: `studies.Run`.
      study: name of the study.
      results: dict that linear_eval.json holds, with accuracies in [0, 1] of
        the linear classifier and of the objective's own. None if there is none.
      seconds: how long the process ran that finished the run, with its start,
        pretraining and evaluation. None if this is unknown.
      error: string that says why the run has no results, or None.

    Returns:
      A dict of names of columns to values.

    Example:
      >>> from supcon_tf.studies import Run
      >>> run = Run("supcon", {"temperature": 0.1}, seed=0)
      >>> row = row_of(run, "temperature", results={"top_1_accuracy": 0.98})
      >>> row["run"], row["top_1_accuracy"], row["seconds"]
      ('supcon-temperature-0.1-seed-0', 0.98, None)
    """
    results = results or {}
    return {
        "run": run.name,
        "study": study,
        **run.overrides,
        **{
            name: results.get(name)
            for name in ("num_train_images", *_ACCURACIES)
        },
        "seconds": seconds,
        "error": error,
    }


def read_rows(path, varied):
    """Reads results.csv.

    Args:
      path: `pathlib.Path` of the file.
      varied: names of the settings that the study varies.

    Returns:
      A dict of the runs' names to rows, as `row_of` makes them. A setting that
      an objective does not have is None. The dict is empty if there is no file.

    Raises:
      ValueError: if the file has other columns.

    Example:
      >>> import pathlib
      >>> read_rows(pathlib.Path("results.csv"), ("temperature",))
      {}
    """
    if not path.exists():
        return {}
    columns = columns_of(varied)
    try:
        lines = list(csv.reader(io.StringIO(read_text(path), newline="")))
    except (OSError, ValueError, csv.Error) as error:
        lines = [[str(error)]]
    if lines[:1] != [columns] or {len(line) for line in lines} != {
        len(columns)
    }:
        raise ValueError(
            f"{path} must be a table with the columns {columns}; delete it to "
            f"have it written anew. Received: {lines[:1]}"
        )
    rows = (
        dict(zip(columns, map(_plain, line), strict=True)) for line in lines[1:]
    )
    return {row["run"]: row for row in rows}


def write_rows(path, rows, varied):
    """Writes rows of `row_of` or `read_rows` to results.csv, in order."""
    with (
        written_whole(path) as aside,
        open(aside, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, columns_of(varied))
        writer.writeheader()
        writer.writerows(in_order(rows, varied))


def in_order(rows, varied):
    """Sorts rows by objective (alphabetically), then settings, then seed.

    Args:
      rows: dicts that `row_of` or `read_rows` made.
      varied: names of the settings that the study varies.

    Returns:
      A list of the rows.

    Example:
      >>> rows = [{"objective": "supcon", "seed": seed} for seed in (1, 0)]
      >>> [row["seed"] for row in in_order(rows, ())]
      [0, 1]
    """

    def key(row):
        values = [row.get(name) for name in (*varied, "seed")]
        # None stands for all training images, and so comes after the numbers.
        return row["objective"], [(v is None, v or 0) for v in values]

    return sorted(rows, key=key)


def grouped(rows, names):
    """Groups rows that have the same values in some columns.

    Args:
      rows: dicts that `row_of` or `read_rows` made. Runs that failed are left
        out.
      names: names of the columns.

    Returns:
      A dict of tuples, the values of the columns, to lists of rows.

    Example:
      >>> rows = [{"seed": i, "top_1_accuracy": 0.9} for i in (0, 0, 1)]
      >>> {key: len(of_key) for key, of_key in grouped(rows, ["seed"]).items()}
      {(0,): 2, (1,): 1}
    """
    groups = {}
    for row in rows:
        if row["top_1_accuracy"] is not None:
            key = tuple(row.get(name) for name in names)
            groups.setdefault(key, []).append(row)
    return groups


def mean_and_spread(values):
    """Returns mean and sample standard deviation.

    The standard deviation of a single value is None.

    Example:
      >>> mean_and_spread([0.9])
      (0.9, None)
    """
    spread = statistics.stdev(values) if len(values) > 1 else None
    return statistics.mean(values), spread


def results_table(rows, varied):
    """Makes a table of means and spreads over seeds, and why runs failed.

    `top-1` is that of the linear classifier on the frozen encoder. `own top-1`
    is that of the classifier that was trained with the encoder.
    """
    rows = in_order(rows, varied)
    header = ("objective", *varied, "seeds", "top-1 %", "own top-1 %", "s")
    cells = [header]
    for key, runs in grouped(rows, ("objective", *varied)).items():
        seconds = [r["seconds"] for r in runs if r["seconds"] is not None]
        cells.append(
            (
                *map(_shown, header, key),
                str(len(runs)),
                _percent(run["top_1_accuracy"] for run in runs),
                _percent(run["classifier_top_1_accuracy"] for run in runs),
                f"{statistics.mean(seconds):.0f}" if seconds else "",
            )
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in cells
    ]
    failed = [row for row in rows if row["error"] is not None]
    return "\n".join(
        lines + [f"failed: {row['run']}: {row['error']}" for row in failed]
    )


def _shown(column, value):
    """Returns the text for an objective or a setting in the table."""
    if value is None:
        return "all" if column == "max_samples" else "-"
    return str(value)


def _percent(values):
    values = [100 * value for value in values if value is not None]
    if not values:
        return "-"
    mean, spread = mean_and_spread(values)
    return f"{mean:.2f}" + ("" if spread is None else f" +- {spread:.2f}")


def _plain(text):
    """Reads a cell of a CSV file as None, a number or text."""
    try:
        value = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if value is None or is_number else text
