"""Pretrains an encoder with the supervised contrastive loss.

    supcon-pretrain --list_recipes
    supcon-pretrain --recipe=digits --workdir=W [--epochs=50 ...]

Writes to W: config.json, encoder.keras (images in [0, 1] -> representations),
supcon_model.keras (with the projection head; or classification_model.keras,
with a classifier), history.csv, logs/ for TensorBoard, and checkpoint-*.npz,
from which the same command goes on after a kill. On several machines, each
started with its TF_CONFIG, the chief (worker 0) writes, and alone needs W.
"""

import dataclasses
import functools
import math
import pathlib
import sys

import keras
from absl import flags

from supcon_tf.callbacks.checkpoints import EpochCheckpoint
from supcon_tf.callbacks.history import (
    DivergedError,
    EpochHistory,
    StopIfDiverged,
)
from supcon_tf.callbacks.stuck_loss import StuckLossWarning
from supcon_tf.config import PretrainConfig
from supcon_tf.config.command_line import define_flags, run_command
from supcon_tf.config.settings import named, to_json
from supcon_tf.data.datasets import load_dataset
from supcon_tf.data.views import view_batches
from supcon_tf.distribution.strategies import make_strategy
from supcon_tf.distribution.workers import (
    WorkerStoppedError,
    from_chief,
    is_chief,
    num_workers,
    reporting_stopped_workers,
    share_weights,
)
from supcon_tf.files import (
    FolderInUseError,
    NoSpaceError,
    only_writer,
)
from supcon_tf.recipes import RECIPES, recipe_table
from supcon_tf.training.build import (
    build_model,
    compile_model,
    make_augmentation,
    synchronize_batch_norm,
)
from supcon_tf.training.objectives import for_objective, is_classifier
from supcon_tf.training.unused_settings import starts_from, with_flags
from supcon_tf.training.workdir import (
    finished_encoder,
    look_at,
    restore,
    write_config,
    write_example_views,
    write_models,
)


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
      >>> config = dataclasses.replace(RECIPES["digits"], epochs=10)
      >>> encoder = pretrain(config, "runs/digits")
    """
    return prepare(config, workdir)()


def prepare(config, workdir):
    """Checks everything and writes nothing; returns the run as a function."""
    if not workdir:
        raise ValueError(
            "`workdir` must be the folder to write to. "
            f"Received: workdir={workdir!r}"
        )
    workdir = pathlib.Path(workdir).expanduser()
    if config.initial_encoder is not None:  # wherever the run goes on
        path = pathlib.Path(config.initial_encoder).expanduser()
        if path.exists():
            config = dataclasses.replace(
                config, initial_encoder=str(path.absolute())
            )
    strategy = make_strategy(config.strategy)  # first of all of TensorFlow
    num_replicas = strategy.num_replicas_in_sync
    if config.batch_size % num_replicas:
        raise ValueError(
            f"`batch_size` must be divisible by the {num_replicas} replicas "
            f"that share the batch. Received: batch_size={config.batch_size}"
        )
    if config.cutmix_alpha and config.batch_size < 2 * num_replicas:
        raise ValueError(
            "`batch_size` must be at least two images a replica with CutMix, "
            f"{2 * num_replicas}. Received: batch_size={config.batch_size}"
        )
    with reporting_stopped_workers(strategy):
        return _prepare(config, workdir, strategy)


def _prepare(config, workdir, strategy):
    found = from_chief(strategy, lambda: look_at(workdir, config))
    if found["is_finished"]:
        encoder = finished_encoder(workdir, config, strategy)
        return lambda: _finished(workdir, encoder, strategy)

    views, num_images, num_classes = _views(config)
    model = build_model(config, num_classes, strategy)
    steps_per_epoch = num_images // config.batch_size
    compile_model(model, config, steps_per_epoch, strategy)
    first_epoch = restore(workdir, model, strategy)

    def fit(callbacks=(), verbose=0):
        model.fit(
            _distributed(
                functools.partial(views, first_epoch=first_epoch),
                for_objective(config, num_classes),
                config.batch_size,
                first_epoch * steps_per_epoch,
                strategy,
            ),
            epochs=config.epochs,
            initial_epoch=first_epoch,
            steps_per_epoch=steps_per_epoch,
            shuffle=False,  # the views come shuffled
            callbacks=[StopIfDiverged(), *callbacks],
            verbose=verbose,
        )
        # What is written says nothing of where it was trained.
        synchronize_batch_norm(model, False)

    def run_as_chief():
        with only_writer(workdir):
            if not found["is_as_described"]:  # such as a longer run
                (workdir / "encoder.keras").unlink(missing_ok=True)
            write_config(config, workdir)
            _print_facts(config, num_images, first_epoch, workdir, strategy)
            if first_epoch == 0:
                write_example_views(views(), workdir)
            callbacks = [
                EpochHistory(workdir / "history.csv"),
                keras.callbacks.TensorBoard(workdir / "logs"),
                EpochCheckpoint(workdir),
            ]
            if not is_classifier(config):
                callbacks.insert(0, StuckLossWarning())
            fit(callbacks, verbose="auto")
            write_models(model, workdir)

    def run():
        with reporting_stopped_workers(strategy):
            run_as_chief() if is_chief(strategy) else fit()
        encoder = model.representation_model()
        # (They differ where BatchNormalization is not synchronised; and the
        # chief's files are there then.)
        share_weights(strategy, encoder)
        return encoder

    return run


def _views(config):
    """A function of first_epoch and shards to batches; images; classes."""
    augmentation = make_augmentation(config)
    train, _ = load_dataset(
        config.dataset,
        data_dir=config.data_dir,
        download=config.download,
        validation_fraction=config.validation_fraction,
        max_samples=config.max_samples,
        label_noise=config.label_noise,
        seed=config.seed,
    )
    views = functools.partial(
        view_batches,
        train,
        augmentation,
        num_views=config.num_views,
        batch_size=config.batch_size,
        image_size=config.image_size,
        samples_per_class=config.samples_per_class,
        seed=config.seed,
    )
    views()  # refuses what it cannot do
    return views, len(train), len(train.class_names)


def _distributed(views, finished, batch_size, first_step, strategy):
    """The views as `fit` takes them, each replica's part of each batch.

    Those of one process Keras distributes. Of several, each makes the views of
    its own rows alone, the rows that its replicas have in a batch that is
    distributed.

    Both end with `repeat`, which says that there is always another batch.
    Where TensorFlow does not know that, workers ask each other at each step,
    and the size of a batch is not static. And where a strategy has one
    replica, it takes a rebatch at the end for one of its own, and undoes it.
    """
    if num_workers(strategy) == 1:
        return finished(views(), first_step).repeat()

    def of_worker(context):
        own = views(
            num_shards=context.num_input_pipelines,
            shard=context.input_pipeline_id,
        )
        rows = context.get_per_replica_batch_size(batch_size)
        own = own.rebatch(rows, drop_remainder=True)
        own_replicas = batch_size // rows // context.num_input_pipelines
        own = finished(
            own, first_step * own_replicas, context.input_pipeline_id
        )
        return own.repeat()

    return strategy.distribute_datasets_from_function(of_worker)


def _finished(workdir, encoder, strategy):
    if is_chief(strategy):
        print(
            f"Finished already: {workdir / 'encoder.keras'}. Give another "
            "--workdir for another run."
        )
    return encoder


def _print_facts(config, num_images, first_epoch, workdir, strategy):
    print(to_json(config), end="")
    if starts_from(config) is not None:
        print(f"starts from {starts_from(config)}, which is the encoder")
    print(
        f"{num_images} images, batches of {config.batch_size} images x "
        f"{config.num_views} views{_collapse(config)}"
    )
    num_replicas = strategy.num_replicas_in_sync
    if num_replicas > 1:
        print(
            f"{num_replicas} replicas in {num_workers(strategy)} processes, "
            f"{config.batch_size // num_replicas} images of a batch on each"
        )
    print(
        f"learning rate: peak {config.peak_learning_rate:g}"
        + (
            ""
            if config.learning_rate is not None
            else f" = {config.base_learning_rate:g} x {config.batch_size} / 256"
        )
    )
    if first_epoch:
        print(f"{workdir}: goes on after epoch {first_epoch}")


def _collapse(config):
    """The loss of identical projections, where it is as simple as that."""
    if (
        is_classifier(config)
        or config.denominator != "all"
        or config.positives_cap is not None
        or config.queue_size
    ):
        return ""
    number = config.num_views * config.batch_size
    scale, times = 1.0, ""
    if config.scale_by_temperature:
        scale, times = config.temperature, f" x {config.temperature:g}"
    loss = scale * math.log(max(number - 1, 1))
    return (
        f"; N = {number} identical projections have the loss "
        f"ln(N - 1){times} = {loss:.4f}"
    )


def _prepare_command(values):
    if values["list_recipes"].value:
        return lambda: print(recipe_table())
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
    flags.DEFINE_string(
        "workdir", None, "Folder to write to.", flag_values=values
    )
    define_flags(PretrainConfig, values)
    return run_command(
        "supcon-pretrain",
        __doc__,
        values,
        _prepare_command,
        argv,
        failures=(
            DivergedError,
            FolderInUseError,
            NoSpaceError,
            WorkerStoppedError,
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
