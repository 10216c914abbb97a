"""Trains a linear classifier on a pretrained encoder, which stays frozen.

    supcon-linear-eval --workdir=W

Reads W/encoder.keras and W/config.json, which supcon-pretrain wrote. Writes
W/classifier.keras (images in, class scores out, class names inside) and
W/linear_eval.json, and prints it.
"""

import json
import pathlib
import sys
import time

from absl import flags

from supcon_tf.build import build_model
from supcon_tf.commands import define_flags, overridden, run_command
from supcon_tf.config import LinearEvalConfig, PretrainConfig, read_json
from supcon_tf.datasets import load_dataset
from supcon_tf.encoders.saved import load_encoder
from supcon_tf.evaluation import (
    linear_probe,
    nearest_neighbor_accuracy,
    probe_accuracy,
)
from supcon_tf.files import check_folder, written_whole
from supcon_tf.strategies import make_strategy


def linear_eval(config, workdir):
    """Evaluates the encoder of a workdir by a linear classifier.

    Args:
      config: `LinearEvalConfig`.
      workdir: folder in which `pretrain` has finished.

    Returns:
      The results, as in linear_eval.json: a dict with `top_1_accuracy`;
      `untrained_top_1_accuracy`, of the same probe on the same encoder before
      any training; `raw_pixel_1nn_accuracy`, of the nearest training image;
      `num_train_images`, `num_test_images`, `class_names`, `seconds`.

    Raises:
      ValueError: if the workdir has no readable encoder.keras and config.json,
        or the data is not where it should be.

    Example:
      >>> linear_eval(LinearEvalConfig(), "runs/digits")["top_1_accuracy"]
      0.9917
    """
    return prepare(config, workdir)()


def prepare(config, workdir):
    """Checks everything and writes nothing; returns the run as a function."""
    strategy = make_strategy(config.strategy, one_machine=True)
    with strategy.scope():
        encoder = load_encoder(workdir)
    workdir = pathlib.Path(workdir).expanduser()
    check_folder(workdir, "workdir")
    pretraining = read_json(PretrainConfig, workdir / "config.json")
    train, test = load_dataset(
        pretraining.dataset,
        data_dir=config.data_dir or pretraining.data_dir,
        validation_fraction=pretraining.validation_fraction,
        seed=pretraining.seed,
    )

    def probe(encoder):
        return linear_probe(
            encoder,
            train,
            l2=config.l2,
            max_iterations=config.max_iterations,
            verbose=0,
        )

    def run():
        start = time.perf_counter()
        classifier = probe(encoder)
        top_1_accuracy, num_test_images = probe_accuracy(classifier, test)
        seconds = time.perf_counter() - start
        with written_whole(workdir / "classifier.keras") as path:
            classifier.save(path)
        untrained = build_model(pretraining, strategy).representation_model()
        untrained_accuracy, _ = probe_accuracy(probe(untrained), test)
        results = {
            "top_1_accuracy": top_1_accuracy,
            "untrained_top_1_accuracy": untrained_accuracy,
            "raw_pixel_1nn_accuracy": nearest_neighbor_accuracy(
                train, test, image_size=pretraining.image_size
            ),
            "num_train_images": len(train),
            "num_test_images": num_test_images,
            "class_names": list(train.class_names),
            "seconds": round(seconds, 2),
        }
        text = json.dumps(results, indent=2) + "\n"
        with written_whole(workdir / "linear_eval.json") as path:
            path.write_text(text)
        print(text, end="")
        print(f"Wrote {workdir / 'classifier.keras'}")
        return results

    return run


def _prepare_command(values):
    config = overridden(LinearEvalConfig(), values)
    return prepare(config, values["workdir"].value)


def main(argv=None):
    """The command `supcon-linear-eval`; returns its exit status."""
    values = flags.FlagValues()
    flags.DEFINE_string(
        "workdir",
        None,
        "Folder that supcon-pretrain wrote.",
        flag_values=values,
    )
    define_flags(LinearEvalConfig, values)
    return run_command(
        "supcon-linear-eval", __doc__, values, _prepare_command, argv
    )


if __name__ == "__main__":
    sys.exit(main())
