"""Search among the vectors of photographs: exact, and approximate beside it.

    python -m benchmarks.photograph_index --json=runs/photograph_index.json

Exact: the index of supcon-search, on disk and mapped into memory, float32 and
float16. The time is the median of a few searches for the 10 nearest of 1 and of
16 queries, after one that brings the file into memory. The vectors lie in 1,000
clusters, as those of a trained encoder do.

Approximate, if Faiss is there (`pip install supcon_tf[faiss]`): the lists of
supcon-search --approximate. Their recall@10 is the part of the exact ten that
they find for queries that are not in the index.
"""

import pathlib
import statistics
import sys
import tempfile
import time

from benchmarks.machine import describe, versions_in
from benchmarks.options import parsed, parser_of, write_report
from supcon_tf.frameworks.extras import has_extra

K = 10
SIZES = (100_000, 1_000_000)
APPROXIMATE_SIZE = 100_000
WIDTH = 512
QUERIES = (1, 16)
DTYPES = ("float32", "float16")
_BLOCK = 50_000


def main(argv=None):
    """The command; returns its exit status."""
    parser = parser_of("photograph_index", __doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--approximate_size", type=int, default=APPROXIMATE_SIZE
    )
    options = parsed(parser, argv)
    packages = ("numpy", "faiss-cpu")
    report = {
        "machine": describe(versions_in(sys.executable, packages)),
        "rows": [],
    }
    for size in options.sizes:
        for dtype in DTYPES:
            report["rows"] += measure(
                size, options.width, dtype, options.repeats
            )
    if has_extra("faiss") and options.approximate_size:
        report["approximate"] = measure_approximate(
            options.approximate_size, options.width, options.repeats
        )
    print(table(report))
    write_report(options.json, report)
    return 0


def clustered(size, width, seed):
    """Yields blocks of unit vectors `[b, width]` float32, in 1,000 clusters."""
    import numpy as np

    centres = np.random.default_rng(0).normal(size=(1000, width))
    random = np.random.default_rng(seed)
    for first in range(0, size, _BLOCK):
        count = min(_BLOCK, size - first)
        block = centres[random.integers(0, 1000, count)].astype(np.float32)
        block += random.standard_normal((count, width), np.float32)
        yield block / np.linalg.norm(block, axis=1, keepdims=True)


def measure(size, width, dtype, repeats):
    """Yields a row for each number of queries: the exact search of a file."""
    import numpy as np

    from supcon_tf.photographs.index import (
        PhotographIndex,
        read_index,
        write_index,
    )

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "index.npy"
        vectors = np.empty((size, width), dtype)
        first = 0
        for block in clustered(size, width, seed=1):
            vectors[first : first + len(block)] = block
            first += len(block)
        names = [f"photographs/{i}.jpg" for i in range(size)]
        stamps = [[i, i] for i in range(size)]
        start = time.perf_counter()
        write_index(path, PhotographIndex(vectors, names, stamps, "x"))
        write_s = time.perf_counter() - start
        del vectors
        start = time.perf_counter()
        index = read_index(path)
        read_s = time.perf_counter() - start
        queries = next(clustered(max(QUERIES), width, seed=2))
        for count in QUERIES:
            index.search(queries[:count], K)
            seconds = [
                _seconds(lambda c=count: index.search(queries[:c], K))
                for _ in range(repeats)
            ]
            yield {
                "size": size,
                "width": width,
                "dtype": dtype,
                "queries": count,
                "median_s": statistics.median(seconds),
                "seconds": seconds,
                "megabytes": round(path.stat().st_size / 1e6),
                "write_s": round(write_s, 2),
                "read_s": round(read_s, 2),
            }


def measure_approximate(size, width, repeats):
    """Time, recall and time to build of the lists beside the exact search."""
    import numpy as np

    from supcon_tf.photographs.approximate import approximate_index, lists_path
    from supcon_tf.photographs.index import (
        PhotographIndex,
        read_index,
        write_index,
    )

    vectors = np.concatenate(list(clustered(size, width, seed=1)))
    queries = next(clustered(200, width, seed=2))
    names = [f"photographs/{i}.jpg" for i in range(size)]
    stamps = [[i, i] for i in range(size)]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "index.npy"
        write_index(path, PhotographIndex(vectors, names, stamps, "x"))
        exact = read_index(path)
        start = time.perf_counter()
        approximate_index(path, exact)
        build_s = time.perf_counter() - start
        start = time.perf_counter()
        index, line = approximate_index(path, exact)
        read_s = time.perf_counter() - start
        megabytes = round(lists_path(path).stat().st_size / 1e6)
        expected, _ = exact.search(queries, K)
        found, _ = index.search(queries, K)
        pairs = zip(found.tolist(), expected.tolist(), strict=True)
        recall = sum(len(set(a) & set(b)) for a, b in pairs) / expected.size
        medians = [
            statistics.median(
                _seconds(lambda i=searched: i.search(queries[:1], K))
                for _ in range(repeats)
            )
            for searched in (exact, index)
        ]
    return {
        "line": line,
        "size": size,
        "width": width,
        "megabytes": megabytes,
        "build_s": round(build_s, 1),
        "read_s": round(read_s, 3),
        "recall_at_10_of_sample": index.facts["recall_at_10"],
        "recall_at_10": round(recall, 4),
        "exact_median_s": medians[0],
        "median_s": medians[1],
    }


def _seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def table(report):
    """The report as lines of text.

    Args:
      report: what the JSON holds.
    """
    lines = [str(report["machine"])]
    lines.append("exact, the 10 nearest: vectors, numbers, queries, ms a query")
    for row in report["rows"]:
        milliseconds = 1000 * row["median_s"] / row["queries"]
        lines.append(
            f"{row['size']:9,} x {row['width']}  {row['dtype']}  "
            f"{row['queries']:3}  {milliseconds:7.1f} ms  "
            f"{row['megabytes']:5} MB, opened in {row['read_s']:.1f} s"
        )
    found = report.get("approximate")
    if found is None:
        lines.append("approximate: not measured, faiss is not installed")
        return "\n".join(lines)
    lines.append(
        f"approximate: {found['size']:,} x {found['width']}, built in "
        f"{found['build_s']:.0f} s, {found['megabytes']} MB, opened in "
        f"{found['read_s']:.2f} s; one query {1000 * found['median_s']:.1f} "
        f"ms, exact {1000 * found['exact_median_s']:.1f} ms; recall@10 "
        f"{found['recall_at_10']:.3f}"
    )
    lines.append(f"  {found['line']}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
