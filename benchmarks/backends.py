"""The loss on Keras' three backends, beside each framework's dense formula.

    python -m benchmarks.backends --jax_python=.venv-jax/bin/python \
      --torch_python=.venv-torch/bin/python --json=runs/backends.json

Each row is a process of its own. It first calls the loss alone, which gives the
memory, and then the loss and the formula in turns, whose ratio is the median of
those of neighbouring calls: forward and backward of N projections of 128
dimensions in 100 classes, compiled on TensorFlow and JAX, and op by op on
PyTorch. `import` is the time to import the package with all its names, over
that to import Keras with the backend before it.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

from benchmarks.loss_cases import TEMPERATURE, problem
from benchmarks.machine import describe, last_line_of, peak_mb, versions_in

BACKENDS = ("tensorflow", "jax", "torch")
CASES = ("formula", "dense", "tiled", "auto")


def main(argv=None):
    """The command; returns its exit status."""
    options = _parse(argv)
    pythons = {
        "tensorflow": sys.executable,
        "jax": options.jax_python,
        "torch": options.torch_python,
    }
    pythons = {name: path for name, path in pythons.items() if path}
    versions = {}
    for name, path in pythons.items():
        versions |= versions_in(path, (name, "keras"))
    report = {"machine": describe(versions), "imports": {}, "rows": []}
    for name, path in pythons.items():
        report["imports"][name] = _in_a_process(path, name, "measure_import()")
        for size in options.sizes:
            for case in CASES:
                call = f"measure({case!r}, {size}, {options.repeats})"
                report["rows"].append(_in_a_process(path, name, call))
    print(table(report), flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def measure(case, size, repeats):
    """Prints one line of JSON: memory, value, and time over the formula's.

    Args:
      case: one of CASES.
      size: N, int >= 2.
      repeats: int >= 1, how many pairs of calls are timed.
    """
    import keras

    import supcon_tf

    backend = keras.backend.backend()
    labels, z = problem(size)
    formula = _compiled(backend, lambda z: _formula(labels, z), z)
    loss = formula
    if case != "formula":
        loss_of = supcon_tf.SupConLoss(TEMPERATURE, implementation=case)
        loss = _compiled(backend, lambda z: loss_of(labels, z), z)
    before = peak_mb()
    value = [loss() for _ in range(2)][-1]
    extra_mb = peak_mb() - before
    formula()
    seconds, ratios = [], []
    for _ in range(repeats):
        one, other = _seconds(loss), _seconds(formula)
        seconds.append(one)
        ratios.append(one / other)
    row = {
        "backend": backend,
        "case": case,
        "n": size,
        "median_s": statistics.median(seconds),
        "to_formula": statistics.median(ratios),
        "extra_mb": extra_mb,
        "loss": value,
    }
    print(json.dumps(row))


def measure_import():
    """Prints one line of JSON: seconds to import Keras, then the package."""
    start = time.perf_counter()
    import keras

    keras.ops.ones(())  # loads the backend
    middle = time.perf_counter()
    import supcon_tf

    for name in supcon_tf.__all__:
        getattr(supcon_tf, name)
    end = time.perf_counter()
    seconds = {"keras_s": middle - start, "package_s": end - middle}
    print(json.dumps({**seconds, "ratio": (end - middle) / (middle - start)}))


def table(report):
    """What the command prints.

    Args:
      report: what the JSON holds.
    """
    lines = [
        "Eq. 2 and its gradient on the CPU, D = 128, 100 classes, float32",
        ", ".join(f"{k} {v}" for k, v in report["machine"].items()),
        "",
        f"{'backend':12}{'case':10}{'N':>7}{'ms':>9}{'/ formula':>11}"
        f"{'extra MB':>10}{'loss':>10}",
    ]
    for row in report["rows"]:
        lines.append(
            f"{row['backend']:12}{row['case']:10}{row['n']:7}"
            f"{1000 * row['median_s']:9.1f}{row['to_formula']:11.2f}"
            f"{row['extra_mb']:10.0f}{row['loss']:10.5f}"
        )
    lines.append("")
    for name, row in report["imports"].items():
        lines.append(
            f"import {name}: Keras {row['keras_s']:.1f} s, the package "
            f"{row['package_s']:.1f} s more, {row['ratio']:.2f} of that"
        )
    return "\n".join(lines)


def _formula(labels, z):
    """Eq. 2 with arrays of all pairs, as one writes it in any framework."""
    from keras import ops

    labels = ops.convert_to_tensor(labels)
    z = z / ops.norm(z, axis=1, keepdims=True)
    logits = ops.matmul(z, ops.transpose(z)) / TEMPERATURE  # [N, N]
    is_self = ops.cast(ops.eye(len(labels)), "bool")
    is_same = ops.equal(labels[:, None], labels[None, :])
    is_positive = ops.cast(
        ops.logical_and(is_same, ops.logical_not(is_self)), "float32"
    )
    log_probabilities = logits - ops.logsumexp(
        ops.where(is_self, -1e38, logits), axis=1, keepdims=True
    )
    sums = ops.sum(is_positive * log_probabilities, axis=1)
    return -ops.mean(sums / ops.sum(is_positive, axis=1))


def _compiled(backend, loss, z):
    """A function without arguments: value and gradient; returns the value."""
    if backend == "jax":
        import jax

        both = jax.jit(jax.value_and_grad(loss))
        z = jax.numpy.asarray(z)
        return lambda: float(jax.block_until_ready(both(z))[0])
    if backend == "torch":
        import torch

        z = torch.tensor(z, requires_grad=True)

        def call():
            value = loss(z)
            torch.autograd.grad(value, z)
            return float(value.detach())

        return call
    from benchmarks.loss_cases import tensorflow_call

    return tensorflow_call(lambda _, z: loss(z), [0], z)


def _seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _in_a_process(python, backend, call):
    name = call.partition("(")[0]
    return last_line_of(
        python,
        f"from benchmarks.backends import {name}; {call}",
        f"{backend}, {call}",
        backend=backend,
    )


def _parse(argv):
    parser = argparse.ArgumentParser(
        prog="benchmarks.backends",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in ("jax", "torch"):
        parser.add_argument(
            f"--{name}_python",
            metavar="PATH",
            help=f"a Python with {name} and Keras; by default without its rows",
        )
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=[512, 2048, 8192],
        help="numbers of projections N (default: %(default)s)",
    )
    parser.add_argument(
        "--repeats",
        type=int,
        default=7,
        help="timed pairs of calls (default: %(default)s)",
    )
    parser.add_argument(
        "--json", type=pathlib.Path, metavar="PATH", help="file to write"
    )
    options = parser.parse_args(argv)
    if options.repeats < 1:
        parser.error(f"`repeats` must be >= 1. Received: {options.repeats}")
    if min(options.sizes) < 2:
        parser.error(f"`sizes` must be >= 2. Received: {options.sizes}")
    return options


if __name__ == "__main__":
    sys.exit(main())
