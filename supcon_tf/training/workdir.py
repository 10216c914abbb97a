"""The folder of a pretraining run: what it holds, for all workers."""

import dataclasses
import hashlib
import json
import pathlib

from supcon_tf.callbacks.history import EpochHistory
from supcon_tf.config.pretrain import MAY_CHANGE
from supcon_tf.config.settings import read_json, to_json
from supcon_tf.encoders.saved import load_encoder
from supcon_tf.files import (
    check_folder,
    lasting_path,
    read_text,
    write_json,
    written_whole,
)
from supcon_tf.frameworks.backends import tf
from supcon_tf.frameworks.extras import has_extra, how_to_get
from supcon_tf.training.build import build_encoder
from supcon_tf.training.objectives import (
    CLASSIFIER_FILES,
    OBJECTIVES,
    PROJECTION_HEAD_FILES,
)

FIRST_PROBE = "first_probe.json"


def look_at(workdir, config):
    """Tells what the folder holds; the chief asks.

    Args:
      workdir: `pathlib.Path` of the folder, or of none.
      config: `PretrainConfig` of the run that is to write to it.

    Returns:
      A dict of bools: `is_finished`, whether that run is; `is_as_described`,
      whether the folder has that very config.

    Raises:
      ValueError: if it cannot be written to, or is that of another run.
    """
    check_folder(
        workdir,
        "workdir",
        (
            "config.json",
            "encoder.keras",
            _RECORD,
            _HELD_OUT,
            FIRST_PROBE,
            *PROJECTION_HEAD_FILES,
            *CLASSIFIER_FILES,
        ),
    )
    before = _previous_config(workdir, config)
    EpochHistory(workdir / "history.csv")  # refuses what is none
    has_encoder = (workdir / "encoder.keras").exists()
    return {
        "is_finished": has_encoder and before == config,
        "is_as_described": before == config,
    }


def finished_encoder(workdir, config):
    """The encoder of a finished run.

    Args:
      workdir: as for `look_at`.
      config: `PretrainConfig` of the run that wrote it.

    Returns:
      A Keras model.

    Raises:
      ValueError: if the file is damaged.
    """
    # What the run itself was told to start from is trusted.
    safe_mode = config.safe_mode and config.starts_from is None
    return load_encoder(workdir, safe_mode=safe_mode)


def encoder_of_run(workdir, config, strategy, *, safe_mode=True):
    """The encoder that the run of a config wrote, and one that is untrained.

    Args:
      workdir: path of the folder.
      config: `PretrainConfig` in its config.json.
      strategy: `tf.distribute.Strategy` to make them for.
      safe_mode: as in `load_encoder`.

    Returns:
      Two Keras models. The untrained one has the weights that the run started
      with; it is None for a run that started from trained weights.

    Raises:
      ValueError: if encoder.keras is missing or damaged, was not written by
        this run, or is not what the config describes.
    """
    path = pathlib.Path(workdir).expanduser() / "encoder.keras"
    with strategy.scope():
        encoder = load_encoder(workdir, safe_mode=safe_mode)
    record = path.with_name(_RECORD)
    if record.exists() and not _is_recorded(path, record):
        raise ValueError(
            f"{path} must be what the run of this folder wrote; delete "
            f"{record} to take it nevertheless. Received: another file than "
            "the one that is recorded there"
        )
    size = config.image_size
    wanted = (None, size, size, 3)
    untrained = None
    if config.starts_from is None:
        untrained = build_encoder(config, strategy)
        wanted = tuple(untrained.input_shape)
        ours, theirs = (_shapes(model) for model in (untrained, encoder))
        if ours != theirs:
            raise ValueError(
                f"{path} must be the encoder that config.json describes, "
                f"{config.encoder} of {len(ours)} variables. Received: one of "
                f"{len(theirs)} variables, or of other shapes"
            )
    taken = tuple(getattr(encoder, "input_shape", wanted))
    if len(taken) != 4 or any(
        a is not None and b is not None and a != b
        for a, b in zip(taken, wanted, strict=True)
    ):
        raise ValueError(
            f"{path} must take the images that config.json describes, "
            f"image_size={size}. Received: an encoder of {taken[1:]}"
        )
    return encoder, untrained


def _shapes(model):
    return [tuple(weight.shape) for weight in model.weights]


# The name and the content are such that `sha256sum -c encoder.sha256` checks.
_RECORD = "encoder.sha256"


def _record_of(path):
    """The line of the encoder's file."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{digest}  encoder.keras\n"


def _is_recorded(path, record):
    """Whether a file, which may be anything, says what `_record_of` does."""
    try:
        return read_text(record) == _record_of(path)
    except (OSError, ValueError):
        return False


def write_config(config, workdir):
    """Writes config.json.

    Args:
      config: `PretrainConfig`.
      workdir: as for `look_at`.
    """
    with written_whole(workdir / "config.json") as path:
        path.write_text(to_json(config), encoding="utf-8")


def write_held_out(held_out, workdir):
    """Writes held_out.json: which files of a folder a run did not train on.

    Args:
      held_out: what `held_out.record_of` returned. None writes nothing.
      workdir: as for `look_at`.
    """
    if held_out is not None:
        write_json(workdir / _HELD_OUT, held_out)


def read_held_out(workdir):
    """Reads what `write_held_out` wrote; None if there is no such file.

    Args:
      workdir: path of the folder.

    Returns:
      Dict from names to SHA-256 sums, for `load_dataset`.

    Raises:
      ValueError: if the file is damaged.
    """
    path = pathlib.Path(workdir).expanduser() / _HELD_OUT
    if not path.exists():
        return None
    try:
        held_out = json.loads(read_text(path))
        if not held_out or not all(map(_is_sum, held_out.values())):
            raise ValueError("no names with SHA-256 sums")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{path} must hold the names of the photographs that the run held "
            f"out. Received: {error}"
        ) from error
    return held_out


def _is_sum(value):
    return isinstance(value, str) and len(value) == 64


_HELD_OUT = "held_out.json"


def write_example_views(views, workdir, make=None):
    """Writes the views of eight images for TensorBoard: a row for each view.

    Args:
      views: `tf.data.Dataset` of `[B, V, h, w, C]` views and labels. With
        small views, these are left out. Or of numbered images and labels.
      workdir: as for `look_at`.
      make: None, or the `DeviceViews` that makes views of numbered images.
    """
    if not has_extra("tensorboard"):
        needed = how_to_get("tensorboard")
        print(f"{workdir / 'logs'} is left out: it needs {needed}.")
        return
    images, *_ = next(iter(views.take(1)))
    if make is not None:
        images = make(images["images"][:8], images["numbers"][:8])
    if isinstance(images, dict):
        images = images["views"]
    grid = tf.concat(tf.unstack(images[:8]), axis=2)  # [V, h, 8 * w, C]
    grid = tf.concat(tf.unstack(grid), axis=0)  # [V * h, 8 * w, C]
    with tf.summary.create_file_writer(str(workdir / "logs")).as_default():
        tf.summary.image("views", grid[None], step=0)


def write_models(model, config, workdir):
    """Writes the file that the objective names, and encoder.keras.

    Args:
      model: the trained model, an `EncoderModel`.
      config: `PretrainConfig` of the run.
      workdir: as for `look_at`.

    Returns:
      The names of the files.
    """
    name = OBJECTIVES[config.objective].model_file
    with written_whole(workdir / name) as path:
        model.save(path)
    # What an encoder of fewer epochs was evaluated to be is not this one's.
    for stale in ("linear_eval.json", "classifier.keras"):
        (workdir / stale).unlink(missing_ok=True)
    # Last: where encoder.keras is, the run is finished.
    write_encoder(model.representation_model(), workdir)
    return [name, "encoder.keras"]


def write_encoder(encoder, workdir):
    """Writes encoder.keras, and records which file it is.

    Args:
      encoder: Keras model.
      workdir: as for `look_at`.
    """
    with written_whole(workdir / "encoder.keras") as path:
        encoder.save(path)
        with written_whole(workdir / _RECORD) as record:
            record.write_text(_record_of(path))


def _previous_config(workdir, config):
    """The config of the run in the folder, None if there is none.

    Refuses a run with other settings. Where the data is and on what it is
    trained may change, and, with a schedule that does not depend on it, the
    number of epochs may grow.
    """
    path = workdir / "config.json"
    if not path.exists():
        return None
    before = read_json(
        type(config), path, required=("dataset", "encoder", "image_size")
    )
    if before.initial_encoder is not None and config.initial_encoder == str(
        lasting_path(before.initial_encoder)
    ):  # it may be recorded with `..` in it
        before = dataclasses.replace(
            before, initial_encoder=config.initial_encoder
        )
    for field in dataclasses.fields(config):
        old, new = getattr(before, field.name), getattr(config, field.name)
        if old == new or field.name in MAY_CHANGE:
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
        before, **{name: getattr(config, name) for name in MAY_CHANGE}
    )
