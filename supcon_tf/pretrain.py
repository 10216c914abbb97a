"""Pretrains an encoder with the supervised contrastive loss.

    supcon-pretrain --list_recipes
    supcon-pretrain --list_losses
    supcon-pretrain --recipe=digits --workdir=W [--epochs=50 ...]

Writes to W: config.json, encoder.keras (images in [0, 1] -> representations),
supcon_model.keras (with the projection head; or classification_model.keras,
with a classifier; or joint_model.keras, with both), history.csv, logs/ for
TensorBoard, and checkpoint-*.npz, from which the same command goes on after a
kill. With --stop_fraction also best_epoch.npz, the best weights, and, from an
--initial_encoder, first_probe.json, what it is worth before the training. On
several machines, each started with its TF_CONFIG, the chief (worker 0) writes,
and alone needs W. On JAX and PyTorch it needs --views=device, and writes no
logs/.
"""

import sys

from absl import flags

from supcon_tf.config import PretrainConfig
from supcon_tf.config.command_line import define_flags, run_command
from supcon_tf.config.settings import named
from supcon_tf.recipes import RECIPES, recipe_table
from supcon_tf.training.losses import LOSSES
from supcon_tf.training.objectives import contrast_table, summaries
from supcon_tf.training.unused_settings import with_flags


def pretrain(config, workdir):
    """Pretrains an encoder, or goes on where a killed run stopped.

    Args:
      config: `PretrainConfig`.
      workdir: folder for what is written; made if need be. A folder that holds
        a run with other settings is refused. Of several workers the chief's
        alone is looked at and written to.

    Returns:
      The encoder, a Keras model: float32 RGB images in [0, 1] -> `[B, R]`.

    Raises:
      ValueError: if a setting is not allowed or the workdir is another run's.
      WorkerStoppedError: if another worker has stopped.

    Example:
      >>> import dataclasses
      >>> config = dataclasses.replace(RECIPES["digits"], epochs=10)
      >>> encoder = pretrain(config, "runs/digits")  # doctest: +SKIP
    """
    return prepare(config, workdir)()


def prepare(config, workdir):
    """Checks everything and writes nothing; returns the run as a function."""
    from supcon_tf.runs import pretraining  # it loads TensorFlow

    return pretraining.prepare(config, workdir)


def _prepare_command(values):
    if values["list_recipes"].value:
        return lambda: print(recipe_table())
    if values["list_losses"].value:
        return lambda: print(contrast_table())
    recipe = named(RECIPES, "recipe", values["recipe"].value)
    return prepare(with_flags(recipe, values), values["workdir"].value)


def main(argv=None):
    """The command `supcon-pretrain`; returns its exit status."""
    values = flags.FlagValues()
    flags.DEFINE_string(
        "recipe",
        None,
        f"Where the settings come from: {', '.join(sorted(RECIPES))}.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "list_recipes",
        False,
        "Print the recipes: data set, encoder, epochs, batch, expected top-1.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "list_losses",
        False,
        "Print the losses for --loss: what they do, paper, settings.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "workdir", None, "Folder to write to.", flag_values=values
    )
    define_flags(
        PretrainConfig,
        values,
        {"objective": summaries(), "loss": ", ".join(LOSSES)},
    )
    return run_command(
        "supcon-pretrain", __doc__, values, _prepare_command, argv
    )


if __name__ == "__main__":
    sys.exit(main())
