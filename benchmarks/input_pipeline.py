"""Source images a second that become two views, on the CPU.

    python -m benchmarks.input_pipeline --json=runs/input_pipeline.json

1. 32 pixels, of 50,000 uint8 images in memory, in batches of 512.
2. 224 pixels, of JPEG files in memory of 500 x 375 pixels, or of Imagenette
   with --data_dir, in batches of 64.

Beside ours, the same augmentations by tf.image, example by example, and by
layers of Keras and KerasCV: input_rivals.py. Each case runs in a process of
its own.
"""

import json
import sys

from benchmarks.input_cases import CASES, LARGE, SMALL
from benchmarks.machine import describe, last_line_of, versions_in
from benchmarks.options import (
    add_windows,
    parsed,
    parser_of,
    write_report,
)

# By the fastest rival that does the same work.
GOALS = {"simclr": 1.1, "crop_flip": 1.0, "randaugment": 1.1}
MEMORY_GOAL_MB = {SMALL: None, LARGE: 300}


def main(argv=None):
    """The command; returns its exit status."""
    options = _parse(argv)
    report = {}
    if options.json and options.json.exists():
        report = json.loads(options.json.read_text())
    packages = ("tensorflow", "keras", "keras-cv")
    machine = describe(versions_in(sys.executable, packages))
    for size in options.sizes:
        rows = []
        for case in CASES[size]:
            rows.append(_measure_in_a_process(case, size, options))
            rate = rows[-1]["images_per_s"]
            print(f"{size}, {case}: {rate:.0f}", file=sys.stderr, flush=True)
        add_ratios(rows)
        report[str(size)] = {
            "machine": machine,
            "images": _images(size, options.data_dir),
            "seconds": options.seconds,
            "goals": goals(rows),
            "rows": rows,
        }
        print(table(report[str(size)], size), flush=True)
    write_report(options.json, report)
    return 0


def add_ratios(rows):
    """Adds to each row of ours what it is to the fastest rival, or None.

    Args:
      rows: list of dicts as `input_cases.measure` prints them, of one size.
    """
    for row in rows:
        what = CASES[row["size"]][row["case"]]
        rivals = [
            other["images_per_s"]
            for other in rows
            if not _is_ours(other)
            and CASES[other["size"]][other["case"]] == what
        ]
        row["to_fastest_rival"] = None
        if _is_ours(row) and rivals:
            row["to_fastest_rival"] = row["images_per_s"] / max(rivals)


def goals(rows):
    """Compares our rows with the goals.

    Args:
      rows: as for `add_ratios`, which has added to them.

    Returns:
      A list of dicts for JSON, of what was wanted and measured and a verdict.
    """
    found = []
    for row in filter(_is_ours, rows):
        wanted = GOALS.get(CASES[row["size"]][row["case"]])
        ratio = row["to_fastest_rival"]
        if wanted is not None and ratio is not None:
            what = f"{row['case']} / rival >= {wanted:g}"
            found.append(_verdict(what, ratio, ratio >= wanted))
        most = MEMORY_GOAL_MB[row["size"]]
        if most is not None:
            what = f"{row['case']}, extra MB <= {most}"
            found.append(
                _verdict(what, row["extra_mb"], row["extra_mb"] <= most)
            )
    return found


def _verdict(wanted, measured, is_met):
    verdict = "PASS" if is_met else "MISS"
    return {"wanted": wanted, "measured": measured, "verdict": verdict}


def table(part, size):
    """The rows of one size as text.

    Args:
      part: what the JSON holds of it.
      size: int, side of the views.
    """
    lines = [
        f"Two views of {size} pixels of {part['images']}",
        ", ".join(f"{k} {v}" for k, v in part["machine"].items()),
        "",
        f"{'case':36}images/s       min-max   / rival  extra MB",
    ]
    for row in part["rows"]:
        ratio = row["to_fastest_rival"]
        spread = f"{min(row['rates']):.0f}-{max(row['rates']):.0f}"
        lines.append(
            f"{row['case']:36}{row['images_per_s']:8.0f}{spread:>14}"
            f"{'-' if ratio is None else f'{ratio:.2f}':>10}"
            f"{row['extra_mb']:10.0f}"
        )
    verdicts = [
        f"{found['wanted']}, measured {found['measured']:.3g}: "
        f"{found['verdict']}"
        for found in part["goals"]
    ]
    return "\n".join([*lines, "", *verdicts, ""])


def _parse(argv):
    parser = parser_of("input_pipeline", __doc__)
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        choices=CASES,
        default=list(CASES),
        help="sides of the views; the rest of the JSON stays as it is",
    )
    add_windows(parser, seconds=1.0)
    parser.add_argument(
        "--data_dir",
        metavar="PATH",
        help="data_dir of tensorflow-datasets with Imagenette",
    )
    return parsed(parser, argv)


def _images(size, data_dir):
    if size == SMALL:
        return "50,000 random images of 32 x 32, in memory"
    if data_dir:
        return "the JPEG files of Imagenette, in memory"
    return "64 JPEG files of 500 x 375, made of noise, in memory"


def _is_ours(row):
    return row["case"].startswith("supcon_tf")


def _measure_in_a_process(case, size, options):
    arguments = (case, size, options.repeats, options.seconds, options.data_dir)
    return last_line_of(
        sys.executable,
        f"from benchmarks.input_cases import measure; measure(*{arguments!r})",
        f"`{case}` of {size} pixels",
    )


if __name__ == "__main__":
    sys.exit(main())
