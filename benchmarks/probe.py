"""How long the linear probe takes, beside scikit-learn's regression.

    python -m benchmarks.probe --json=runs/probe.json

Both fit 100 classes to 50,000 representations, R = 512, of overlapping classes,
l2 = 1, and take turns. The time is that of all cores, which other work of the
machine changes little. The goals: under 60 s, and an objective that is at most
scikit-learn's.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

from benchmarks.machine import describe, versions_in

GOAL_SECONDS = 60.0
GOAL_OBJECTIVE = 1.0001  # of scikit-learn's; both stop near the optimum
DIM = 512
CLASSES = 100


def main(argv=None):
    """The command; returns its exit status."""
    options = _parse(argv)
    report = {
        "machine": describe(versions_in(sys.executable, ("scikit-learn",))),
        "images": options.images,
        "rows": measure(options.images, options.repeats),
    }
    print(table(report), flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def measure(count, repeats):
    """The times and objectives of both, in turns.

    Args:
      count: int, representations to fit to. As many are tested on.
      repeats: int >= 1.

    Returns:
      A list of dicts for JSON.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    from supcon_tf.evaluation.linear.softmax_regression import (
        softmax_regression,
    )

    numbers = np.random.default_rng(0)
    ids = numbers.integers(0, CLASSES, 2 * count)
    ids[:CLASSES] = np.arange(CLASSES)
    noise = numbers.normal(size=(2 * count, DIM)) / np.sqrt(1 + np.arange(DIM))
    x = numbers.normal(size=(CLASSES, DIM))[ids] / 40 + noise
    x = x.astype(np.float32)
    x = StandardScaler().fit(x[:count]).transform(x)
    x, x_test, y, y_test = x[:count], x[count:], ids[:count], ids[count:]

    def of_scikit_learn():
        fitted = LogisticRegression(max_iter=1000).fit(x, y)
        return fitted.coef_.T, fitted.intercept_

    ways = {
        "scikit-learn": of_scikit_learn,
        "supcon_tf": lambda: softmax_regression(
            x, y, num_classes=CLASSES, l2=1.0
        ),
    }
    seconds, found = {way: [] for way in ways}, {}
    for _ in range(repeats):
        for way, fit in ways.items():
            start = time.process_time()
            found[way] = fit()
            seconds[way].append(time.process_time() - start)
    return [
        {
            "way": way,
            "on_cores": statistics.median(seconds[way]),
            "objective": _objective(x, y, *found[way]),
            "top_1_accuracy": _accuracy(x_test, y_test, *found[way]),
        }
        for way in ways
    ]


def _objective(x, ids, kernel, bias):
    """Cross-entropies and the penalty with l2 = 1, float64."""
    import numpy as np
    from scipy.special import logsumexp

    scores = x.astype(np.float64) @ kernel + bias
    own = scores[np.arange(len(ids)), ids]
    errors = np.sum(logsumexp(scores, axis=1) - own)
    return float(errors + np.sum(np.square(kernel, dtype=np.float64)) / 2)


def _accuracy(x, ids, kernel, bias):
    return float(((x @ kernel + bias).argmax(axis=1) == ids).mean())


def table(report):
    """The rows as text.

    Args:
      report: what the JSON holds.
    """
    lines = [
        f"{CLASSES} classes, {report['images']} representations, R = {DIM}",
        ", ".join(f"{k} {v}" for k, v in report["machine"].items()),
        "",
        f"{'':14}{'s on cores':>12}{'objective':>14}{'top-1':>8}",
    ]
    for row in report["rows"]:
        lines.append(
            f"{row['way']:14}{row['on_cores']:12.2f}{row['objective']:14.2f}"
            f"{row['top_1_accuracy']:8.4f}"
        )
    theirs, ours = report["rows"]
    ratio = ours["objective"] / theirs["objective"]
    for what, measured, goal in (
        ("s on cores", ours["on_cores"], GOAL_SECONDS),
        ("objective / scikit-learn's", ratio, GOAL_OBJECTIVE),
    ):
        verdict = "PASS" if measured <= goal else f"{measured - goal:.3g} over"
        lines.append(
            f"goal of {what}: <= {goal:g}, measured {measured:.5g}: {verdict}"
        )
    return "\n".join(lines)


def _parse(argv):
    parser = argparse.ArgumentParser(
        prog="benchmarks.probe",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, least, default, what in (
        ("images", CLASSES, 50_000, "representations to fit to"),
        ("repeats", 1, 1, "fits of each way"),
    ):
        parser.add_argument(
            f"--{name}",
            type=int,
            default=default,
            help=f"{what}, at least {least} (default: %(default)s)",
        )
    parser.add_argument(
        "--json", type=pathlib.Path, metavar="PATH", help="file to write"
    )
    options = parser.parse_args(argv)
    for name, least in (("images", CLASSES), ("repeats", 1)):
        value = getattr(options, name)
        if value < least:
            parser.error(f"`{name}` must be >= {least}. Received: {value}")
    return options


if __name__ == "__main__":
    sys.exit(main())
