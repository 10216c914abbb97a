"""encode_all beside a bare loop of predictions.

    python -m benchmarks.encoding --json=runs/encoding.json

10,000 random images of 32 pixels are encoded by a ResNet-18 of a quarter width:
by `encode_all`, as the linear probe, k-NN and supcon-evaluate do; by a loop of
`predict_on_batch` over batches that are divided by 255; and by `predict` of all
of them. They take turns in one process.
"""

import statistics
import sys
import time

from benchmarks.machine import describe, versions_in
from benchmarks.options import parsed, parser_of, write_report

IMAGES = 10_000
BATCH_SIZE = 256
GOAL = 1.1  # times the bare loop


def main(argv=None):
    """The command; returns its exit status."""
    parser = parser_of("encoding", __doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--images", type=int, default=IMAGES)
    options = parsed(parser, argv, at_least_1=("repeats", "images"))
    versions = versions_in(sys.executable, ("tensorflow", "keras"))
    report = {"machine": describe(versions), "images": options.images}
    report["seconds"] = measure(options.images, options.repeats)
    print(table(report))
    write_report(options.json, report)
    return 0


def measure(num_images, repeats):
    """Measures the ways to encode, in turns.

    Args:
      num_images: int >= 1.
      repeats: int >= 1.

    Returns:
      Dict of the ways to lists of seconds.
    """
    import numpy as np

    from supcon_tf import encoders
    from supcon_tf.evaluation.encode import encode_all

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (num_images, 32, 32, 3), np.uint8)
    labels = np.zeros(num_images, int)
    encoder = encoders.resnet18((32, 32, 3), width=0.25, stem="small_image")

    def as_floats(some):
        return some.astype(np.float32) / 255

    def bare_loop():
        return np.concatenate(
            [
                encoder.predict_on_batch(
                    as_floats(images[first : first + BATCH_SIZE])
                )
                for first in range(0, num_images, BATCH_SIZE)
            ]
        )

    ways = {
        "bare loop": bare_loop,
        "encode_all": lambda: encode_all(
            encoder, (images, labels), batch_size=BATCH_SIZE
        )[0],
        "predict": lambda: encoder.predict(
            as_floats(images), batch_size=BATCH_SIZE, verbose=0
        ),
    }
    seconds = {name: [] for name in ways}
    for turn in range(repeats + 1):  # the first builds the functions
        for name, encode in ways.items():
            start = time.perf_counter()
            encode()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def table(report):
    """The report as lines of text.

    Args:
      report: the dict that `main` writes.
    """
    medians = {
        name: statistics.median(times)
        for name, times in report["seconds"].items()
    }
    bare = medians["bare loop"]
    lines = [f"{report['machine']}", f"{report['images']} images"]
    lines += [
        f"{name:12} {median:7.2f} s  {median / bare:5.2f}"
        for name, median in medians.items()
    ]
    ratio = medians["encode_all"] / bare
    lines.append(
        f"goal of encode_all: at most {GOAL:g} times the bare loop; measured "
        f"{ratio:.2f}: {'PASS' if ratio <= GOAL else 'MISS'}"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
