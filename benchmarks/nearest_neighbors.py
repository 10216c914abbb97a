"""Times the search of nearest neighbours, beside its products.

    python -m benchmarks.nearest_neighbors --json=runs/nearest_neighbors.json

The 200 most similar of 50,000 training representations are searched for each of
10,000 test representations, float32, R = 512: by `most_similar`, as
`supcon-evaluate` does, by scikit-learn's brute search of the cosine, and only
their products of matrices. All take turns. The goal is at most twice the time
of the products. The time on all cores stands beside, since other work of the
machine changes it less.
"""

import statistics
import sys
import time

from benchmarks.machine import describe, versions_in
from benchmarks.options import parsed, parser_of, write_report

GOAL = 2.0  # times the products
DIM = 512
_ROWS = 512  # test rows in a product


def main(argv=None):
    """The command; returns its exit status."""
    options = _parse(argv)
    rows = measure(options.train, options.test, options.k, options.repeats)
    report = {
        "machine": describe(versions_in(sys.executable, ("scikit-learn",))),
        "train": options.train,
        "test": options.test,
        "k": options.k,
        "rows": rows,
    }
    print(table(report), flush=True)
    write_report(options.json, report)
    return 0


def measure(num_train, num_test, k, repeats):
    """The times of each way, in turns.

    Args:
      num_train: int, training representations.
      num_test: int, test representations.
      k: int, neighbours.
      repeats: int >= 1.

    Returns:
      A list of dicts for JSON.
    """
    import numpy as np
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import normalize

    from supcon_tf.evaluation.most_similar import most_similar

    numbers = np.random.default_rng(0)
    centres = numbers.normal(size=(100, DIM))
    train, test = (
        (
            centres[numbers.integers(0, 100, count)]
            + 3 * numbers.normal(size=(count, DIM))
        ).astype(np.float32)
        for count in (num_train, num_test)
    )

    def products():
        for first in range(0, num_test, _ROWS):
            test[first : first + _ROWS] @ train.T

    def ours():
        for _ in most_similar(normalize(train), normalize(test), k):
            pass

    def of_scikit_learn():
        search = NearestNeighbors(n_neighbors=k, metric="cosine").fit(train)
        for first in range(0, num_test, _ROWS):
            search.kneighbors(test[first : first + _ROWS])

    ways = {
        "products alone": products,
        "supcon_tf": ours,
        "scikit-learn": of_scikit_learn,
    }
    times = {way: [] for way in ways}
    for _ in range(repeats):
        for way, run in ways.items():
            start, start_of_cores = time.perf_counter(), time.process_time()
            run()
            on_cores = time.process_time() - start_of_cores
            times[way].append((time.perf_counter() - start, on_cores))
    rows = []
    for way, pairs in times.items():
        seconds, on_cores = map(statistics.median, zip(*pairs, strict=True))
        rows.append({"way": way, "seconds": seconds, "on_cores": on_cores})
    for row in rows:
        row["to_products"] = row["seconds"] / rows[0]["seconds"]
        row["on_cores_to_products"] = row["on_cores"] / rows[0]["on_cores"]
    return rows


def table(report):
    """The rows as text.

    Args:
      report: what the JSON holds.
    """
    lines = [
        f"The {report['k']} nearest of {report['train']} for each of "
        f"{report['test']}, R = {DIM}, float32",
        ", ".join(f"{k} {v}" for k, v in report["machine"].items()),
        "",
        f"{'':18}{'s':>8}{'/ products':>12}"
        f"{'s on cores':>12}{'/ products':>12}",
    ]
    for row in report["rows"]:
        lines.append(
            f"{row['way']:18}{row['seconds']:8.2f}{row['to_products']:12.2f}"
            f"{row['on_cores']:12.2f}{row['on_cores_to_products']:12.2f}"
        )
    ours = report["rows"][1]["to_products"]
    verdict = "PASS" if ours <= GOAL else "MISS"
    lines += [
        "",
        f"goal of supcon_tf: <= {GOAL:g} x the products, measured {ours:.2f}: "
        f"{verdict}",
    ]
    return "\n".join(lines)


def _parse(argv):
    parser = parser_of("nearest_neighbors", __doc__)
    for name, default, what in (
        ("train", 50_000, "training representations"),
        ("test", 10_000, "test representations"),
        ("k", 200, "neighbours of each"),
        ("repeats", 5, "runs of each way"),
    ):
        parser.add_argument(
            f"--{name}",
            type=int,
            default=default,
            help=f"{what} (default: %(default)s)",
        )
    options = parsed(parser, argv, at_least_1=("train", "test", "k", "repeats"))
    if options.k > options.train:
        parser.error(
            f"`k` must be at most train={options.train}. Received: {options.k}"
        )
    return options


if __name__ == "__main__":
    sys.exit(main())
