"""The results of a study: a row for each run, as CSV and as a table."""

import csv
import json
import statistics

from supcon_tf.files import written_whole

_ACCURACIES = (
    "top_1_accuracy",
    "top_5_accuracy",
    "classifier_top_1_accuracy",
)


def columns_of(varied):
    """The columns of results.csv.

    Args:
      varied: names of the settings that the study varies.

    Returns:
      A list of names.
    """
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
    """What is kept of a run.

    Args:
      run: `studies.Run`.
      study: name of the study.
      results: None, or a dict with what linear_eval.json holds: accuracies in
        [0, 1], of the linear classifier and of the objective's own one.
      seconds: None if unknown, or a number: of the process that finished the
        run, with start, pretraining and evaluation.
      error: None, or why the run has no results.

    Returns:
      A dict; what there is not is None, a setting that the objective has not
      is missing.
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
    """The rows of results.csv by the names of the runs, {} if there is none.

    Args:
      path: `pathlib.Path` of the file.
      varied: as for `columns_of`.

    Returns:
      Dict of names to dicts as of `row_of`.

    Raises:
      ValueError: if the file is no such table.
    """
    if not path.exists():
        return {}
    columns = columns_of(varied)
    with open(path, newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
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
    """Writes results.csv, sorted by objective, settings and seed.

    Args:
      path: `pathlib.Path` of the file.
      rows: what `row_of` or `read_rows` returned, any order.
      varied: as for `columns_of`.
    """
    with (
        written_whole(path) as aside,
        open(aside, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, columns_of(varied))
        writer.writeheader()
        writer.writerows(in_order(rows, varied))


def in_order(rows, varied):
    """Rows by objective (alphabetically), settings and seed.

    Args:
      rows: as for `write_rows`.
      varied: as for `columns_of`.

    Returns:
      A list.
    """

    def key(row):
        values = [row.get(name) for name in (*varied, "seed")]
        # (None is all training images, hence after the numbers.)
        return row["objective"], [(v is None, v or 0) for v in values]

    return sorted(rows, key=key)


def grouped(rows, names):
    """Results of runs that have the same in some columns, together.

    Args:
      rows: as for `write_rows`. Those of runs that failed are left out.
      names: of the columns.

    Returns:
      Dict of tuples, the values of the columns, to lists of rows.
    """
    groups = {}
    for row in rows:
        if row["top_1_accuracy"] is not None:
            key = tuple(row.get(name) for name in names)
            groups.setdefault(key, []).append(row)
    return groups


def mean_and_spread(values):
    """Mean and sample standard deviation, which is None of a single value."""
    spread = statistics.stdev(values) if len(values) > 1 else None
    return statistics.mean(values), spread


def results_table(rows, varied):
    """Mean and spread over the seeds, and the reasons of runs that failed.

    Top-1 is of the linear classifier on the frozen encoder, `own top-1` of the
    classifier that the encoder was trained with.

    Args:
      rows: as for `write_rows`.
      varied: as for `columns_of`.

    Returns:
      A string of several lines.
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
    """What the table says of the objective or of a setting."""
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
    """A cell of a CSV file: None, a number or text."""
    try:
        value = json.loads(text) if text else None
    except ValueError:
        return text
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if value is None or is_number else text
