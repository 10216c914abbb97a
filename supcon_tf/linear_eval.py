"""Trains a linear classifier on a pretrained encoder, which stays frozen.

    supcon-linear-eval --workdir=W [--recipe=cifar ...]

Without a recipe the images are encoded once and a classifier is fitted to
that, in seconds; the recipes are the official second stages. Test images are
looked at once, with the chosen settings.

Reads W/encoder.keras and W/config.json, which supcon-pretrain wrote. Writes
W/classifier.keras (images in, class scores out, class names inside) and
W/linear_eval.json, and prints the accuracy with others to compare it with.
"""

import sys

from absl import flags

from supcon_tf.config import LinearEvalConfig
from supcon_tf.config.command_line import define_flags, overridden, run_command
from supcon_tf.config.settings import named
from supcon_tf.recipes.linear import LINEAR_RECIPES


def linear_eval(config, workdir):
    """Evaluates the encoder of a workdir by a linear classifier.

    Args:
      config: `LinearEvalConfig`.
      workdir: folder in which `pretrain` has finished.

    Returns:
      The results, as in linear_eval.json: a dict with `top_1_accuracy`,
      `top_5_accuracy` (None for up to five classes);
      `classifier_top_1_accuracy`, of the classifier that was trained with the
      encoder (by cross-entropy, say), or None; `untrained_top_1_accuracy`, of
      the fast classifier on the same encoder before any training, None if it
      started from a trained one; `raw_pixel_1nn_accuracy`, of the nearest
      training image; the latter two are None for data sets that are not in
      memory; `chosen`, the learning
      rate or l2, with the held-out accuracies of all; `config`;
      `num_train_images`, `num_test_images`, `class_names`, `seconds`.

    Raises:
      ValueError: if the workdir has no readable encoder.keras and config.json,
        or the data is not where it should be.

    Example:
      >>> config = LinearEvalConfig(l2=(0.1, 1.0, 10.0))
      >>> results = linear_eval(config, "runs/digits")  # doctest: +SKIP
      >>> results["top_1_accuracy"]  # doctest: +SKIP
      0.9917
    """
    return prepare(config, workdir)()


def prepare(config, workdir):
    """Checks everything and writes nothing; returns the run as a function."""
    from supcon_tf.runs import linear_evaluation  # it loads TensorFlow

    return linear_evaluation.prepare(config, workdir)


def _prepare_command(values):
    recipe = named(LINEAR_RECIPES, "recipe", values["recipe"].value)
    config = overridden(recipe, values)
    return prepare(config, values["workdir"].value)


def main(argv=None):
    """The command `supcon-linear-eval`; returns its exit status."""
    values = flags.FlagValues()
    flags.DEFINE_string(
        "recipe",
        "fast",
        f"Where the settings come from: {', '.join(sorted(LINEAR_RECIPES))}.",
        flag_values=values,
    )
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
