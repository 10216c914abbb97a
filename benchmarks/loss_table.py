"""The table of benchmarks.loss: ratios, growth, and what was to be reached."""

import math
import statistics
import textwrap

from benchmarks.loss_cases import DIM, MOST_CLASSES, NOT_EQ_2


def _find(rows, case, size, key="median_s"):
    """A number of the table, or None if it was not measured."""
    for row in rows:
        if row["case"] == case and row["n"] == size:
            return row[key]
    return None


def _best_dense(rows, size):
    seconds = [
        _find(rows, case, size)
        for case in ("dense formula", "dense formula, XLA")
    ]
    return min((s for s in seconds if s is not None), default=None)


def _quotient(dividend, divisor):
    return None if None in (dividend, divisor) else dividend / divisor


def add_ratios(rows):
    """Adds each row's time over that of `gemm` and of the dense formula."""
    for row in rows:
        size = row["n"]
        if row["case"].endswith("N unknown"):
            dense = _find(rows, "dense formula, N unknown", size)
        else:
            dense = _best_dense(rows, size)
        gemm = _find(rows, "gemm", size)
        row["to_gemm"] = _quotient(row["median_s"], gemm)
        row["to_dense"] = _quotient(row["median_s"], dense)


def slopes(rows):
    """Exponents of N in time and memory, by case; None where unknown."""
    return {
        case: {
            key: _slope([(r["n"], r[key]) for r in rows if r["case"] == case])
            for key in ("median_s", "extra_mb")
        }
        for case in ("supcon_tf tiled", "supcon_tf dense", "dense formula")
    }


def _slope(points):
    """Least squares through the logarithms."""
    logs = [(math.log(n), math.log(y)) for n, y in points if y > 0]
    if len(logs) < 2:
        return None
    return statistics.linear_regression(*zip(*logs, strict=True)).slope


def targets(rows):
    """Compares the loss with the project's goals."""
    gemm = _find(rows, "gemm", 8192)
    dense = _best_dense(rows, 8192)
    dense_unknown = _find(rows, "dense formula, N unknown", 8192)
    tiled = _find(rows, "supcon_tf tiled", 8192)
    tiled_unknown = _find(rows, "supcon_tf tiled, N unknown", 8192)
    extra_mb = _find(rows, "supcon_tf tiled", 8192, "extra_mb")
    extra_mb_large = _find(rows, "supcon_tf tiled", 65536, "extra_mb")
    auto = _find(rows, "supcon_tf auto", 512)
    dense_small = _find(rows, "dense formula", 512)
    at_least = [
        ("N = 8192: dense formula / tiled", _quotient(dense, tiled), 1.7),
        (
            "N = 8192 unknown: dense formula / tiled",
            _quotient(dense_unknown, tiled_unknown),
            1.5,
        ),
    ]
    at_most = [
        ("N = 8192: tiled / gemm", _quotient(tiled, gemm), 1.9),
        ("N = 512: auto / dense formula", _quotient(auto, dense_small), 1.0),
        ("N = 8192: extra MB of tiled", extra_mb, 120),
        ("N = 65536: extra MB of tiled", extra_mb_large, 600),
    ]
    return [
        {
            "target": target,
            "wanted": f"{relation} {limit}",
            "measured": measured,
            "verdict": _verdict(measured, relation, limit),
        }
        for relation, targets in ((">=", at_least), ("<=", at_most))
        for target, measured, limit in targets
    ]


def _verdict(measured, relation, limit):
    if measured is None:
        return "not measured"
    is_met = measured >= limit if relation == ">=" else measured <= limit
    return "PASS" if is_met else "MISS"


def disagreements(rows):
    """A line for each N for which the cases of Eq. 2 differ in its value."""
    for size in sorted({row["n"] for row in rows}):
        losses = {
            row["case"]: row["loss"]
            for row in rows
            if row["n"] == size and row["case"] not in NOT_EQ_2
        }
        if not all(
            math.isclose(loss, other, rel_tol=1e-4)
            for loss in losses.values()
            for other in losses.values()
        ):
            yield f"the losses for N = {size} differ: {losses}"


def report_text(report, torch_python):
    """Writes the text that the command prints."""
    machine = dict(report["machine"])
    about = (
        f"{machine.pop('cpu')}, {machine.pop('cores')} cores with a load of "
        f"{machine.pop('load')} before, {machine.pop('date')}; "
        + ", ".join(f"{name} {version}" for name, version in machine.items())
    )
    lines = [
        f"The loss and its gradient on the CPU: N projections, D = {DIM}, "
        f"up to {MOST_CLASSES} classes, float32.",
        *textwrap.wrap(about, 98),
        "",
        *_table(report["rows"]),
        "",
        *textwrap.wrap(
            f"ms: median of {report['repeats']} calls, more if N < 8192. "
            "/ gemm, / dense: time "
            "over that of `gemm`, and over that of the faster of `dense "
            "formula` with and without XLA (N unknown: of `dense formula, N "
            "unknown`). extra MB: growth of the peak resident memory from "
            "before the first call on, with what tracing and compiling take.",
            98,
        ),
    ]
    if report["left_out"]:
        lines += [
            "",
            f"Left out: {'; '.join(report['left_out'])}.",
            f"{torch_python} has no torch or no pytorch-metric-learning: see "
            "--torch_python.",
        ]
    lines += ["", f"{'exponent of N in':<46}{'time':>10}{'extra MB':>10}"]
    for case, slopes in report["slopes"].items():
        time_slope, memory_slope = (
            _number(slopes[key], 2) for key in ("median_s", "extra_mb")
        )
        lines.append(f"{case:<46}{time_slope:>10}{memory_slope:>10}")
    lines += ["", f"{'target':<46}{'wanted':>10}{'measured':>10}"]
    for row in report["targets"]:
        measured = _number(row["measured"], 2)
        lines.append(
            f"{row['target']:<46}{row['wanted']:>10}{measured:>10}"
            f"  {row['verdict']}"
        )
    return "\n".join(lines)


def _table(rows):
    """Lines of aligned columns, an empty one between two N."""
    cells = [
        [
            *("case", "N", "ms", "min-max"),
            *("/ gemm", "/ dense", "extra MB", "loss"),
        ]
    ]
    for row in rows:
        fastest, slowest = min(row["seconds"]), max(row["seconds"])
        cells.append(
            [
                row["case"],
                str(row["n"]),
                milliseconds(row["median_s"]),
                f"{milliseconds(fastest)}-{milliseconds(slowest)}",
                _number(row["to_gemm"], 2),
                _number(row["to_dense"], 2),
                _number(row["extra_mb"], 0),
                _number(row["loss"], 5),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    size = "N"
    for case, *numbers in cells:
        if numbers[0] != size:
            size = numbers[0]
            yield ""
        yield "  ".join(
            [
                case.ljust(widths[0]),
                *map(str.rjust, numbers, widths[1:]),
            ]
        )


def milliseconds(seconds):
    """Seconds as text, in milliseconds."""
    return f"{1000 * seconds:.{1 if seconds < 1 else 0}f}"


def _number(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"
