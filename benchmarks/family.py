"""Time and memory of the family of losses, beside SupCon and their formulas.

    python -m benchmarks.family --json=runs/benchmark_family.json

Each case runs in a process of its own, forward and backward; one table.
"""

import argparse
import json
import pathlib
import sys

from benchmarks.family_cases import CASES, T
from benchmarks.loss_cases import DIM
from benchmarks.machine import describe, last_line_of, versions_in

# Arrays of N x N numbers do not fit beyond.
LARGEST_FORMULA = 16384


def main(argv=None):
    """Measures, prints a table and writes JSON; returns the exit status."""
    options = _parse(argv)
    machine = describe(versions_in(sys.executable, ("tensorflow", "keras")))
    rows = []
    for size in options.sizes:
        for case in options.cases:
            for is_formula in (False, True):
                if is_formula and size > LARGEST_FORMULA:
                    continue
                rows.append(_measure(case, is_formula, size, options.repeats))
    for row in rows:
        row["to_supcon"] = row["median_s"] / _seconds(rows, "SupCon", row["n"])
    print(_table(rows, machine, options.repeats))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        report = {"machine": machine, "repeats": options.repeats, "rows": rows}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def _parse(argv):
    parser = argparse.ArgumentParser(
        prog="benchmarks.family", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=[8192, 65536])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--cases", nargs="+", choices=list(CASES), default=list(CASES)
    )
    parser.add_argument("--json", type=pathlib.Path, metavar="PATH")
    options = parser.parse_args(argv)
    if "SupCon" not in options.cases:
        options.cases.insert(0, "SupCon")
    return options


def _measure(case, is_formula, size, repeats):
    row = last_line_of(
        sys.executable,
        "from benchmarks.family_cases import measure; "
        f"measure({case!r}, {is_formula}, {size}, {repeats})",
        f"`{case}` with N = {size}",
    )
    print(f"N = {size}, {case}: {row['median_s']:.3f} s", file=sys.stderr)
    return row


def _seconds(rows, case, size):
    for row in rows:
        same = row["case"] == case and row["n"] == size
        if same and not row["is_formula"]:
            return row["median_s"]
    return None


def _table(rows, machine, repeats):
    lines = [
        f"Forward and backward: N projections, D = {DIM}, t = {T}, float32.",
        f"{machine}. Medians of {repeats} calls.",
        "",
        f"{'loss':32} {'N':>6} {'passes':>6} {'s':>8} {'/ SupCon':>8} "
        f"{'extra MB':>8} {'loss':>10}",
    ]
    for row in rows:
        name = row["case"] + (", formula" if row["is_formula"] else "")
        passes = "" if row["is_formula"] else row["passes"]
        lines.append(
            f"{name:32} {row['n']:6} {passes:>6} {row['median_s']:8.3f} "
            f"{row['to_supcon']:8.2f} {row['extra_mb']:8.0f} "
            f"{row['loss']:10.5f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
