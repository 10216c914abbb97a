"""Time and memory of the loss on the CPU, beside other codes for Eq. 2.

    python -m benchmarks.loss --json=runs/benchmark_loss.json

Each case runs in a process of its own, forward and backward; one table.
"""

import argparse
import os
import shutil
import sys

from benchmarks.loss_cases import (
    CASES,
    DIM,
    LARGE_CASE,
    MOST_CLASSES,
    TEMPERATURE,
    TORCH_CASES,
)
from benchmarks.loss_table import (
    add_ratios,
    disagreements,
    milliseconds,
    report_text,
    slopes,
    targets,
)
from benchmarks.machine import describe, last_line_of, versions_in
from benchmarks.options import parsed, parser_of, write_report

TENSORFLOW_PACKAGES = ("tensorflow", "keras")
TORCH_PACKAGES = ("torch", "pytorch-metric-learning")


def main(argv=None):
    """The command of `make benchmark`; returns its exit status."""
    options = _parse(argv)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
    versions = {
        **versions_in(sys.executable, TENSORFLOW_PACKAGES),
        **versions_in(options.torch_python, TORCH_PACKAGES),
    }
    has_torch = all(versions[name] for name in TORCH_PACKAGES)
    left_out = [] if has_torch else list(TORCH_CASES)
    wanted = [case for case in CASES if case in (options.cases or CASES)]
    runs = [
        (case, size)
        for size in options.sizes
        for case in wanted
        if case not in left_out
    ]
    if options.large not in (0, *options.sizes) and LARGE_CASE in wanted:
        runs.append((LARGE_CASE, options.large))

    machine = describe(versions)
    rows = []
    for index, (case, size) in enumerate(runs, start=1):
        python = sys.executable
        if case in TORCH_CASES:
            python = options.torch_python
        # A small case takes little time, and is the more easily disturbed.
        repeats = options.repeats * max(1, min(20, 8192 // size))
        row = _measure_in_a_process(python, case, size, repeats)
        print(
            f"[{index}/{len(runs)}] N = {size}, {case}: "
            f"{milliseconds(row['median_s'])} ms",
            file=sys.stderr,
            flush=True,
        )
        rows.append(row)
    add_ratios(rows)

    report = {
        "machine": machine,
        "problem": {
            "dim": DIM,
            "classes": MOST_CLASSES,
            "temperature": TEMPERATURE,
            "dtype": "float32",
        },
        "repeats": options.repeats,
        "rows": rows,
        "left_out": left_out,
        "slopes": slopes(rows),
        "targets": targets(rows),
    }
    print(report_text(report, options.torch_python))
    write_report(options.json, report)
    errors = list(disagreements(rows))
    for error in errors:
        print(f"benchmarks.loss: error: {error}", file=sys.stderr)
    return 1 if errors else 0


def _parse(argv):
    parser = parser_of("loss", __doc__)
    parser.add_argument(
        "--sizes",
        default="512,2048,8192",
        type=_sizes,
        help="numbers of projections N, each >= 2 (default: %(default)s)",
    )
    parser.add_argument(
        "--large",
        default=65536,
        type=int,
        help=f"N for `{LARGE_CASE}` alone; 0: none (default: %(default)s)",
    )
    parser.add_argument(
        "--repeats",
        default=7,
        type=int,
        help="timed calls of each case (default: %(default)s)",
    )
    parser.add_argument(
        "--torch_python",
        default=sys.executable,
        metavar="PATH",
        help="a Python with torch and pytorch-metric-learning "
        "(default: this one)",
    )
    parser.add_argument(
        "--cases",
        nargs="+",
        choices=CASES,
        metavar="CASE",
        help=f"some of: {'; '.join(CASES)} (default: all)",
    )
    options = parsed(parser, argv)
    if options.large < 0 or options.large == 1:
        parser.error(f"`large` must be 0 or >= 2. Received: {options.large}")
    python = shutil.which(options.torch_python)
    if python is None:
        parser.error(
            "`torch_python` must be a Python interpreter. "
            f"Received: {options.torch_python}"
        )
    options.torch_python = os.path.abspath(python)
    return options


def _sizes(text):
    try:
        sizes = sorted({int(size) for size in text.split(",")})
    except ValueError:
        sizes = [0]
    if sizes[0] < 2:
        raise argparse.ArgumentTypeError(
            f"must be comma-separated ints, each >= 2. Received: {text!r}"
        )
    return sizes


def _measure_in_a_process(python, case, size, repeats):
    return last_line_of(
        python,
        f"from benchmarks.loss_cases import measure; "
        f"measure({case!r}, {size}, {repeats})",
        f"`{case}` with N = {size}",
    )


if __name__ == "__main__":
    sys.exit(main())
