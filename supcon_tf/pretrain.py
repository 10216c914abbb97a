"""Pretrains an encoder with the supervised contrastive loss.

    supcon-pretrain --recipe=digits --workdir=W [--epochs=50 ...]

Writes to W: config.json, encoder.keras (images in [0, 1] -> representations),
supcon_model.keras (with the projection head), history.csv, logs/ for
TensorBoard, and checkpoint-*.npz, from which the same command goes on after a
kill.
"""

import dataclasses
import functools
import inspect
import math
import pathlib
import sys

import keras
import tensorflow as tf
from absl import flags

from supcon_tf.augmentations import AUGMENTATIONS
from supcon_tf.callbacks import (
    DivergedError,
    EpochCheckpoint,
    EpochHistory,
    StopIfDiverged,
    restore_checkpoint,
)
from supcon_tf.commands import define_flags, overridden, run_command
from supcon_tf.config import PretrainConfig, read_json, to_json
from supcon_tf.datasets import load_dataset
from supcon_tf.encoders import ENCODERS
from supcon_tf.encoders.saved import load_encoder
from supcon_tf.files import (
    FolderInUseError,
    NoSpaceError,
    check_folder,
    only_writer,
    written_whole,
)
from supcon_tf.losses import SupConLoss
from supcon_tf.models import SupConModel
from supcon_tf.monitoring import StuckLossWarning
from supcon_tf.optimizers import SGD, learning_rate_schedule
from supcon_tf.projection_head import ProjectionHead
from supcon_tf.recipes import RECIPES
from supcon_tf.views import view_batches


def pretrain(config, workdir):
    """Pretrains an encoder, or goes on where a killed run stopped.

    Args:
      config: `PretrainConfig`.
      workdir: folder for what is written; made if need be. A folder that holds
        a run with other settings is refused.

    Returns:
      The encoder, a Keras model: float32 RGB images in [0, 1] -> `[B, R]`.

    Raises:
      ValueError: if a setting is not allowed or the workdir is another run's.

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
    check_folder(workdir, "workdir")
    before = _previous_config(workdir, config)
    if (workdir / "encoder.keras").exists() and before == config:
        encoder = load_encoder(workdir)
        return lambda: _finished(workdir, encoder)

    augmentation = _augmentation(config)
    model = build_model(config)
    train, _ = load_dataset(
        config.dataset,
        data_dir=config.data_dir,
        download=config.download,
        validation_fraction=config.validation_fraction,
        seed=config.seed,
    )
    views = functools.partial(
        view_batches,
        train,
        augmentation,
        num_views=config.num_views,
        batch_size=config.batch_size,
        image_size=config.image_size,
        seed=config.seed,
    )
    views()  # refuses what it cannot do
    _compile(model, config, len(train) // config.batch_size)
    first_epoch = restore_checkpoint(workdir, model)
    callbacks = [
        StopIfDiverged(),
        EpochHistory(workdir / "history.csv"),
        keras.callbacks.TensorBoard(workdir / "logs"),
        StuckLossWarning(),
        EpochCheckpoint(workdir),
    ]

    def run():
        with only_writer(workdir):
            if before != config:  # a longer run than the one that wrote it
                (workdir / "encoder.keras").unlink(missing_ok=True)
            with written_whole(workdir / "config.json") as path:
                path.write_text(to_json(config))
            _print_facts(config, len(train), first_epoch, workdir)
            if first_epoch == 0:
                _log_example_views(views(), workdir / "logs")
            model.fit(
                views(first_epoch=first_epoch),
                epochs=config.epochs,
                initial_epoch=first_epoch,
                steps_per_epoch=len(train) // config.batch_size,
                shuffle=False,  # the views come shuffled
                callbacks=callbacks,
            )
            return _write_models(model, workdir)

    return run


def build_model(config):
    """The model that a config describes, with the weights of its seed.

    Args:
      config: `PretrainConfig`.

    Returns:
      A built `SupConModel`.

    Raises:
      ValueError: if the encoder is unknown or an argument out of its range.
    """
    make_encoder = _named(ENCODERS, "encoder", config.encoder)
    keras.utils.set_random_seed(config.seed)
    image_shape = (config.image_size, config.image_size, 3)
    model = SupConModel(
        make_encoder(
            image_shape,
            width=config.width,
            stem=config.stem,
            mean=config.mean,
            std=config.std,
            zero_gamma=config.zero_gamma,
        ),
        ProjectionHead(
            config.projection_units, batch_norm=config.projection_batch_norm
        ),
        normalize_representation=config.normalize_representation,
    )
    model.build((None, config.num_views, *image_shape))
    return model


def _compile(model, config, steps_per_epoch):
    schedule = learning_rate_schedule(
        config.schedule,
        config.peak_learning_rate,
        total_steps=config.epochs * steps_per_epoch,
        warmup_steps=round(config.warmup_epochs * steps_per_epoch),
    )
    model.compile(
        optimizer=SGD(
            schedule, l2=config.weight_decay, momentum=config.momentum
        ),
        loss=SupConLoss(
            config.temperature,
            summation=config.summation,
            denominator=config.denominator,
            anchors=config.anchors,
            scale_by_temperature=config.scale_by_temperature,
            positives_cap=config.positives_cap,
        ),
    )


def _write_models(model, workdir):
    with written_whole(workdir / "supcon_model.keras") as path:
        model.save(path)
    encoder = model.representation_model()
    # Last: where encoder.keras is, the run is finished.
    with written_whole(workdir / "encoder.keras") as path:
        encoder.save(path)
    print(f"Wrote {workdir / 'encoder.keras'}")
    return encoder


def _augmentation(config):
    augmentation = _named(AUGMENTATIONS, "augmentation", config.augmentation)
    if config.crop_area is None:
        return augmentation
    if "area" not in inspect.signature(augmentation).parameters:
        raise ValueError(
            f"`crop_area` must be left out with {config.augmentation}, which "
            f"has no random crop. Received: crop_area={config.crop_area}"
        )
    return functools.partial(augmentation, area=config.crop_area)


def _named(table, name, key):
    if key not in table:
        raise ValueError(
            f"`{name}` must be one of {sorted(table)}. Received: {name}={key!r}"
        )
    return table[key]


def _previous_config(workdir, config):
    """The config of the run in the folder, None if there is none.

    Refuses a run with other settings. Where the data is may change, and, with
    a schedule that does not depend on it, the number of epochs may grow.
    """
    path = workdir / "config.json"
    if not path.exists():
        return None
    before = read_json(type(config), path)
    for field in dataclasses.fields(config):
        old, new = getattr(before, field.name), getattr(config, field.name)
        if old == new or field.name in ("data_dir", "download"):
            continue
        why = ""
        if field.name == "epochs":
            if config.schedule == before.schedule == "constant" and new > old:
                continue
            why = f" (the {before.schedule} schedule was laid out for them)"
            if before.schedule == "constant":
                why = " or more"
        raise ValueError(
            f"`{field.name}` must be {old!r}{why}, as in the run that {path} "
            "describes; another run needs another --workdir. "
            f"Received: {field.name}={new!r}"
        )
    return dataclasses.replace(
        before, data_dir=config.data_dir, download=config.download
    )


def _finished(workdir, encoder):
    print(
        f"Finished already: {workdir / 'encoder.keras'}. Give another "
        "--workdir for another run."
    )
    return encoder


def _print_facts(config, num_images, first_epoch, workdir):
    num_projections = config.num_views * config.batch_size
    print(to_json(config), end="")
    print(
        f"{num_images} images, batches of {config.batch_size} images x "
        f"{config.num_views} views: N = {num_projections} projections; "
        f"identical ones have the loss ln(N - 1) = "
        f"{math.log(max(num_projections - 1, 1)):.4f}"
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


def _log_example_views(views, log_dir):
    """The views of eight images, for TensorBoard: a row for each view."""
    images, *_ = next(iter(views.take(1)))
    grid = tf.concat(tf.unstack(images[:8]), axis=2)  # [V, h, 8 * w, C]
    grid = tf.concat(tf.unstack(grid), axis=0)  # [V * h, 8 * w, C]
    with tf.summary.create_file_writer(str(log_dir)).as_default():
        tf.summary.image("views", grid[None], step=0)


def _prepare_command(values):
    recipe = _named(RECIPES, "recipe", values["recipe"].value)
    config = overridden(recipe, values)
    return prepare(config, values["workdir"].value)


def main(argv=None):
    """The command `supcon-pretrain`; returns its exit status."""
    values = flags.FlagValues()
    flags.DEFINE_string(
        "recipe",
        None,
        f"Where the settings come from: {', '.join(sorted(RECIPES))}.",
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
        failures=(DivergedError, FolderInUseError, NoSpaceError),
    )


if __name__ == "__main__":
    sys.exit(main())
