"""Time and memory of the family of losses, beside SupCon and their formulas.

    python -m benchmarks.family --json=runs/benchmark_family.json

Each case runs in a process of its own, forward and backward, in which it takes
turns with SupCon: a ratio is the median of those of neighbouring calls. The
large batches are computed once, and compared with SupCon in its own process.
"""

import sys

from benchmarks.family_cases import CASES, WAYS, T
from benchmarks.loss_cases import DIM
from benchmarks.machine import describe, last_line_of, versions_in
from benchmarks.options import parsed, parser_of, write_report


def main(argv=None):
    """Measures, prints a table and writes JSON; returns the exit status."""
    options = _parse(argv)
    machine = describe(versions_in(sys.executable, ("tensorflow", "keras")))
    rows = []

    def keep(row):
        rows.append(row)
        report = {"machine": machine, "repeats": options.repeats, "rows": rows}
        write_report(options.json, report)

    for size in options.sizes:
        for case in options.cases:
            for way in WAYS:
                keep(_measure(case, way, size, options.repeats))
    for size in options.large:
        supcon = None
        for case in options.cases:  # SupCon is the first
            row = _measure(case, "tiles", size, 0)
            supcon = supcon or row["median_s"]
            keep(row | {"to_supcon": row["median_s"] / supcon})
    print(_table(rows, machine, options.repeats))
    return 0


def _parse(argv):
    parser = parser_of("family", __doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=[8192])
    parser.add_argument("--large", nargs="*", type=int, default=[65536])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument(
        "--cases", nargs="+", choices=list(CASES), default=list(CASES)
    )
    options = parsed(parser, argv)
    options.cases = ["SupCon", *(c for c in options.cases if c != "SupCon")]
    return options


def _measure(case, way, size, repeats):
    row = last_line_of(
        sys.executable,
        "from benchmarks.family_cases import measure; "
        f"measure({case!r}, {way!r}, {size}, {repeats})",
        f"`{case}` with N = {size}",
    )
    print(
        f"N = {size}, {case}, {way}: {row['median_s']:.3f} s", file=sys.stderr
    )
    return row


def _table(rows, machine, repeats):
    versions = ", ".join(f"{name} {value}" for name, value in machine.items())
    lines = [
        f"Forward and backward: N projections, D = {DIM}, t = {T}, float32.",
        f"{versions}.",
        f"Medians of {repeats} calls; of one call for the largest N.",
        "",
        f"{'loss':26} {'computed':>10} {'N':>6} {'passes':>6} {'s':>8} "
        f"{'/ SupCon':>8} {'extra MB':>8} {'loss':>10}",
    ]
    for row in rows:
        passes = "" if row["way"] == "formula" else row["passes"]
        lines.append(
            f"{row['case']:26} {row['way']:>10} {row['n']:6} {passes:>6} "
            f"{row['median_s']:8.3f} {row['to_supcon']:8.2f} "
            f"{row['extra_mb']:8.0f} {row['loss']:10.5f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
