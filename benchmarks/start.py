"""What a person waits for before the work begins.

    python -m benchmarks.start --json=runs/start.json

1. Seconds to import TensorFlow, Keras and this package with all its names.
2. Seconds of commands that answer at once: --help, a list, a refused flag.
3. A pretraining on the digits, from the command to its first line and to its
   first step, whose tracing and compiling is the wait; and the same training
   written in plain Keras, which imports, builds and traces as much.

Each is the median of runs in processes of their own.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.machine import ROOT, describe, versions_in
from benchmarks.options import parsed, parser_of, write_report

IMPORTS = {
    "tensorflow": "import tensorflow",
    "keras": "import keras",
    "supcon_tf": "import supcon_tf",
    "supcon_tf, all names": "from supcon_tf import *",
}
AT_ONCE = {
    "supcon-pretrain --help": ("supcon_tf.pretrain", "--help"),
    "supcon-pretrain --list_recipes": ("supcon_tf.pretrain", "--list_recipes"),
    "supcon-pretrain --recipe=digts": ("supcon_tf.pretrain", "--recipe=digts"),
    "supcon-linear-eval --help": ("supcon_tf.linear_eval", "--help"),
    "supcon-evaluate --help": ("supcon_tf.evaluate", "--help"),
    "supcon-search --help": ("supcon_tf.photographs.search", "--help"),
    "supcon-sweep --help": ("supcon_tf.sweep", "--help"),
    "supcon-hub-export --help": ("hub_export.export", "--help"),
}
AT_ONCE_GOAL = 1.5  # seconds
FIRST_STEP_GOAL = 3.0  # seconds more than plain Keras takes
ENCODERS = ("resnet18", "vit_ti16")
# The same as the command does up to its first step, without this package.
PLAIN_KERAS = """
import keras, numpy as np, sklearn.datasets
digits = sklearn.datasets.load_digits()
x = np.repeat(digits.images[:64, :, :, None], 3, axis=3).astype("float32") / 16
x = np.kron(x, np.ones((1, 4, 4, 1), "float32"))
from supcon_tf import encoders
encoder = encoders.ENCODERS[{name!r}]((32, 32, 3), **{options!r})
model = keras.Sequential([encoder, keras.layers.Dense(10)])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
model.train_on_batch(x, digits.target[:64])
"""
OPTIONS = {
    "resnet18": {"width": 0.25, "stem": "small_image"},
    "vit_ti16": {"patch_size": 4},
}


def main(argv=None):
    """The command; returns its exit status."""
    parser = parser_of("start", __doc__)
    parser.add_argument("--repeats", type=int, default=3)
    options = parsed(parser, argv)
    versions = versions_in(sys.executable, ("tensorflow", "keras"))
    report = {
        "machine": describe(versions),
        "imports": {
            name: _median(options.repeats, lambda c=code: seconds_of("-c", c))
            for name, code in IMPORTS.items()
        },
        "at_once": {
            name: _median(options.repeats, lambda w=words: seconds_of("-m", *w))
            for name, words in AT_ONCE.items()
        },
        "first_step": {
            name: first_step(name, options.repeats) for name in ENCODERS
        },
    }
    print(table(report))
    write_report(options.json, report)
    return 0


def first_step(name, repeats):
    """Measures how long an encoder's first training step is waited for.

    Args:
      name: key of `ENCODERS` of this module.
      repeats: int >= 1.

    Returns:
      Dict of the seconds `first_line`, `first_step` and `plain_keras`.
    """
    code = PLAIN_KERAS.format(name=name, options=OPTIONS[name])
    runs = [_command_until_first_step(name) for _ in range(repeats)]
    lines, steps = zip(*runs, strict=True)
    return {
        "first_line": statistics.median(lines),
        "first_step": statistics.median(steps),
        "plain_keras": _median(repeats, lambda: seconds_of("-c", code)),
    }


def seconds_of(*words):
    """The wall time of Python with these arguments, whatever its status."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return time.perf_counter() - start


def _command_until_first_step(name):
    """Seconds until a pretraining's first line, and until its first step."""
    flags = [f"--{key}={value}" for key, value in OPTIONS[name].items()]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        process = subprocess.Popen(
            [
                *(sys.executable, "-u", "-m", "supcon_tf.pretrain"),
                *("--recipe=digits", f"--encoder={name}", "--epochs=1"),
                *("--warmup_epochs=0", "--batch_size=32", *flags),
                f"--workdir={folder}/W",
            ],
            cwd=ROOT,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        first_line, seen = None, b""
        while chunk := os.read(process.stdout.fileno(), 4096):
            seen += chunk
            if first_line is None:
                first_line = time.perf_counter() - start
            if b"loss:" in seen:  # Keras' bar, after the first step
                break
        first = time.perf_counter() - start
        process.kill()
        process.communicate()
    if b"loss:" not in seen:
        raise SystemExit(f"benchmarks: error: {name} made no step: {seen}")
    return first_line, first


def _environment():
    return {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}


def _median(repeats, measure):
    return statistics.median(measure() for _ in range(repeats))


def table(report):
    """The report as lines of text.

    Args:
      report: the dict that `main` writes.
    """
    lines = [f"{report['machine']}", "", "import"]
    lines += [
        f"  {name:34} {seconds:6.2f} s"
        for name, seconds in report["imports"].items()
    ]
    lines += ["", f"at once; goal: under {AT_ONCE_GOAL:g} s"]
    for name, seconds in report["at_once"].items():
        verdict = "PASS" if seconds < AT_ONCE_GOAL else "MISS"
        lines.append(f"  {name:34} {seconds:6.2f} s  {verdict}")
    lines += [
        "",
        "until the first step; goal: the first line and the step at most "
        f"{FIRST_STEP_GOAL:g} s later than plain Keras' step",
        f"  {'':12} first line  first step  plain Keras",
    ]
    for name, row in report["first_step"].items():
        more = row["first_step"] - row["plain_keras"]
        verdict = "PASS" if more <= FIRST_STEP_GOAL else "MISS"
        lines.append(
            f"  {name:12} {row['first_line']:8.2f} s {row['first_step']:9.2f} s"
            f" {row['plain_keras']:10.2f} s  {more:+.2f} s {verdict}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
