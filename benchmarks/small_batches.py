"""Ways to contrast with many where memory is small: steps, and digits.

    python -m benchmarks.small_batches --json=runs/small_batches.json

1. A step of a ResNet-18 of a quarter width on 1024 x 2 views of 32 pixels, at
   once, in microbatches, and on 64 x 2 views with a queue of the other 1920.
2. Top-1 on the digits, recipe `digits`: 64 images at once, the same in 4
   microbatches, and 16 images with and without a queue of the other 96 views.

Each case runs in a process of its own.
"""

import json
import statistics
import sys
import tempfile
import time

from benchmarks.machine import describe, last_line_of, peak_mb, versions_in
from benchmarks.options import parsed, parser_of, write_report

# name: images in a batch, further arguments of SupConModel
STEPS = {
    "1024 at once": (1024, {}),
    "1024 in 2 microbatches": (1024, {"num_microbatches": 2}),
    "1024 in 4 microbatches": (1024, {"num_microbatches": 4}),
    "1024 in 8 microbatches": (1024, {"num_microbatches": 8}),
    "64 at once": (64, {}),
    "64, queue of 1920": (64, {"queue_size": 1920}),
    "64, queue of 1920, momentum encoder": (
        64,
        {"queue_size": 1920, "encoder_momentum": 0.999},
    ),
}
# name: changes to the recipe `digits`. 16 images a batch take four times as
# many steps; 64 images of two views are 32 + 96 projections.
DIGITS = {
    "64 at once": {},
    "64 in 4 microbatches": {"num_microbatches": 4},
    "16 at once": {"batch_size": 16},
    "16, queue of 96": {"batch_size": 16, "queue_size": 96},
    "16, queue of 96, momentum encoder": {
        "batch_size": 16,
        "queue_size": 96,
        "encoder_momentum": 0.99,
    },
}
SEEDS = (0, 1, 2)
PARTS = ("steps", "digits")


def main(argv=None):
    """The command; returns its exit status."""
    parser = parser_of("small_batches", __doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        help="what to measure; the other part of the JSON stays as it is",
    )
    options = parsed(parser, argv)
    report = {}
    if options.json and options.json.exists():
        report = json.loads(options.json.read_text())
    machine = describe(versions_in(sys.executable, ("tensorflow", "keras")))
    for part in options.parts:
        report[part] = {"machine": machine}
    for name in STEPS if "steps" in options.parts else ():
        call = f"measure_step({name!r}, {options.repeats})"
        report["steps"][name] = _in_a_process(call, name)
        _print_step(name, report["steps"])
    for name in DIGITS if "digits" in options.parts else ():
        runs = [
            _in_a_process(f"measure_digits({name!r}, {seed})", name)
            for seed in options.seeds
        ]
        report["digits"][name] = dict(zip(options.seeds, runs, strict=True))
        _print_digits(name, runs)
    write_report(options.json, report)
    return 0


def measure_step(name, repeats):
    """Prints one line of JSON: seconds and memory of a training step."""
    import numpy as np

    from supcon_tf import ProjectionHead, SupConLoss, SupConModel, encoders
    from supcon_tf.optimizers.keras_optimizers import SGD

    batch_size, options = STEPS[name]
    rng = np.random.default_rng(0)
    images = rng.random((batch_size, 2, 32, 32, 3), "float32")
    labels = rng.integers(0, 10, batch_size)
    model = SupConModel(
        encoders.resnet18((32, 32, 3), width=0.25, stem="small_image"),
        ProjectionHead((128, 128)),
        **options,
    )
    model.build(images.shape)
    model.compile(SGD(0.1, momentum=0.9), SupConLoss())
    before = peak_mb()
    seconds = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        model.train_on_batch(images, labels)
        seconds.append(time.perf_counter() - start)
    print(
        json.dumps(
            {
                "images": batch_size,
                "median_s": statistics.median(seconds[2:]),
                "seconds": seconds[2:],
                "extra_mb": peak_mb() - before,
            }
        )
    )


def measure_digits(name, seed):
    """Prints one line of JSON: top-1 of the recipe with the changes."""
    import contextlib
    import dataclasses
    import io

    from supcon_tf.config import LinearEvalConfig
    from supcon_tf.linear_eval import linear_eval
    from supcon_tf.pretrain import pretrain
    from supcon_tf.recipes import RECIPES

    config = dataclasses.replace(RECIPES["digits"], seed=seed, **DIGITS[name])
    with (
        tempfile.TemporaryDirectory() as workdir,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        start = time.perf_counter()
        pretrain(config, workdir)
        seconds = time.perf_counter() - start
        results = linear_eval(LinearEvalConfig(), workdir)
    print(
        json.dumps({"top_1": results["top_1_accuracy"], "pretrain_s": seconds})
    )


def _in_a_process(call, name):
    code = f"from benchmarks import small_batches as b; b.{call}"
    return last_line_of(sys.executable, code, name)


def _print_step(name, steps):
    row, first = steps[name], steps[next(iter(STEPS))]
    per_image = row["median_s"] / row["images"]
    ratio = per_image / (first["median_s"] / first["images"])
    print(
        f"{name:36} {1e3 * row['median_s']:8.0f} ms {1e3 * per_image:6.2f} "
        f"ms/image {ratio:5.2f}x {row['extra_mb']:6.0f} MB",
        flush=True,
    )


def _print_digits(name, runs):
    top_1 = [run["top_1"] for run in runs]
    seconds = statistics.mean(run["pretrain_s"] for run in runs)
    print(
        f"{name:36} top-1 {statistics.mean(top_1):.4f} "
        f"({min(top_1):.4f} to {max(top_1):.4f}), {seconds:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
