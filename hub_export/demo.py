"""Runs the demo on digits: pretraining, linear evaluation, export, loading.

    python -m hub_export.demo --workdir=runs/demo

Takes a minute or two on two CPU cores and prints a table at the end.
"""

import pathlib
import sys
import time

import numpy as np
from absl import flags

from hub_export.export import export
from supcon_tf.config import LinearEvalConfig
from supcon_tf.config.command_line import run_command
from supcon_tf.data.datasets import load_dataset
from supcon_tf.frameworks.extras import check_extra
from supcon_tf.linear_eval import linear_eval
from supcon_tf.pretrain import prepare
from supcon_tf.recipes import RECIPES


def main(argv=None):
    """Runs the command of `make demo` and returns its exit status."""
    values = flags.FlagValues()
    flags.DEFINE_string(
        "workdir", None, "New folder to write to.", flag_values=values
    )
    return run_command(
        "demo",
        __doc__,
        values,
        lambda values: _prepare(values["workdir"].value),
        argv,
    )


def _prepare(workdir):
    check_extra("tensorflow_hub", "demo")
    import tensorflow_hub as hub

    pretrain = prepare(RECIPES["digits"], workdir)
    workdir = pathlib.Path(workdir).expanduser()
    if workdir.exists():
        raise ValueError(
            "`workdir` must be a folder that does not exist yet. "
            f"Received: workdir={str(workdir)!r}"
        )
    saved_model = workdir / "saved_model"

    def run():
        rows = []

        def timed(stage, result, function):
            start = time.perf_counter()
            value = function()
            rows.append((stage, result, time.perf_counter() - start))
            return value

        encoder = timed("pretrain", workdir / "encoder.keras", pretrain)
        results = timed(
            "linear eval",
            workdir / "classifier.keras",
            lambda: linear_eval(LinearEvalConfig(), workdir),
        )
        timed("export", saved_model, lambda: export(workdir, saved_model))
        loaded = timed("hub.load", "", lambda: hub.load(str(saved_model)))
        difference = _largest_difference(encoder, loaded)
        print(_table(rows, results, difference))

    return run


def _largest_difference(encoder, loaded):
    """Compares the representations of the test digits in [0, 1]."""
    _, test = load_dataset("digits")
    images = test.images / np.float32(255)
    return float(np.abs(loaded(images) - encoder(images)).max())


def _table(rows, results, difference):
    lines = ["", f"{'stage':<14}{'seconds':>8}  file"]
    lines += [
        f"{stage:<14}{seconds:>8.1f}  {result}"
        for stage, result, seconds in rows
    ]
    test_images = results["num_test_images"]
    lines += ["", f"top-1 on {test_images} test digits"]
    lines += [
        f"{results[key]:>8.4f}  {text}"
        for key, text in (
            ("top_1_accuracy", "linear classifier on this encoder"),
            (
                "raw_pixel_1nn_accuracy",
                "nearest training image, by its raw pixels",
            ),
            (
                "untrained_top_1_accuracy",
                "linear classifier on the untrained encoder",
            ),
        )
    ]
    lines += [
        "",
        "The loaded SavedModel differs from encoder.keras by "
        f"{difference:.1e} at most.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
