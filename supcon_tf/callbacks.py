"""Keras callbacks: history and checkpoints that survive a kill."""

import csv
import math
import pathlib
import zipfile

import keras
import numpy as np

from supcon_tf.files import written_whole


class EpochHistory(keras.callbacks.Callback):
    """Writes what is logged of each epoch as a row of a CSV file.

    (Keras' CSVLogger would, after a restart, write an epoch twice whose
    checkpoint had not been finished, and has `val_` columns of NA.)

    Args:
      path: the file, `.csv`. Rows of a file that is there already are kept as
        far as their epochs lie before the first one of the fit.

    Raises:
      ValueError: if that file is no such history.

    Example:
      >>> model.fit(views, epochs=9, callbacks=[EpochHistory("history.csv")])
    """

    def __init__(self, path):
        super().__init__()
        self.path = pathlib.Path(path)
        self.rows = []
        if self.path.exists():
            with open(self.path, newline="") as file:
                self.rows = list(csv.DictReader(file))
        if not all(row.get("epoch", "").isdigit() for row in self.rows):
            raise ValueError(
                f"{self.path} must be a history with a column `epoch`; delete "
                "it to go on without. Received: a file that is not"
            )

    def on_epoch_end(self, epoch, logs=None):
        """Adds the row; `epoch` counts from 0 here and from 1 in the file."""
        self.rows = [row for row in self.rows if int(row["epoch"]) <= epoch]
        self.rows.append({"epoch": epoch + 1, **(logs or {})})
        with (
            written_whole(self.path) as path,
            open(path, "w", newline="") as file,
        ):
            writer = csv.DictWriter(
                file, list(self.rows[-1]), extrasaction="ignore"
            )
            writer.writeheader()
            writer.writerows(self.rows)


class DivergedError(Exception):
    """The loss is no longer finite."""


class StopIfDiverged(keras.callbacks.Callback):
    """Stops a fit whose loss is not finite, before anything is written of it.

    Put it first in the list of callbacks: the checkpoint then stays that of
    the last good epoch.

    Raises:
      DivergedError: at the end of such an epoch.
    """

    def on_epoch_end(self, epoch, logs=None):
        """Looks at the loss; `epoch` counts from 0."""
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            raise DivergedError(
                f"The loss must stay finite; a lower learning rate or a longer "
                f"warm-up helps. Received: {loss} in epoch {epoch + 1}"
            )


class EpochCheckpoint(keras.callbacks.Callback):
    """Writes the state of a fit after each epoch, all of it in one file.

    Weights, optimizer and epoch go into one file that is renamed into place,
    so that a kill at any moment leaves the state of a finished epoch. (Keras'
    BackupAndRestore writes weights and epoch one after the other, and removes
    them before the caller has saved the model.) Put it last in the list of
    callbacks: what the others wrote for an epoch is then there when the
    checkpoint says that the epoch is finished.

    Args:
      path: the file, `.npz`.

    Example:
      >>> first_epoch = restore_checkpoint(path, model)
      >>> model.fit(views(first_epoch), initial_epoch=first_epoch, epochs=100,
      ...     callbacks=[EpochCheckpoint(path)])
    """

    def __init__(self, path):
        super().__init__()
        self.path = pathlib.Path(path)

    def on_epoch_end(self, epoch, logs=None):
        """Writes the state; `epoch` counts from 0."""
        del logs
        state = {
            f"variable_{index}": keras.ops.convert_to_numpy(variable)
            for index, variable in enumerate(_state(self.model))
        }
        with written_whole(self.path) as path, open(path, "wb") as file:
            np.savez(file, finished_epochs=epoch + 1, **state)


def restore_checkpoint(path, model):
    """Sets a built and compiled model to the state in a checkpoint.

    Args:
      path: file that `EpochCheckpoint` wrote, or that does not exist.
      model: the model as it was when the checkpoint was written.

    Returns:
      The number of finished epochs; 0, and the model untouched, if there is no
      such file.

    Raises:
      ValueError: if the file is damaged or is of another model.
    """
    path = pathlib.Path(path)
    if not path.exists():
        return 0
    variables = _state(model)
    try:
        with np.load(path) as state:
            values = [state[f"variable_{i}"] for i in range(len(variables))]
            finished_epochs = int(state["finished_epochs"])
            size = len(state.files) - 1
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(
            f"{path} must be a whole checkpoint of this model; delete it to "
            f"start anew. Received: {error}"
        ) from error
    if size != len(variables) or any(
        tuple(value.shape) != tuple(variable.shape)
        for value, variable in zip(values, variables, strict=True)
    ):
        raise ValueError(
            f"{path} must be a checkpoint of this model; delete it to start "
            "anew. Received: variables of another number or shape"
        )
    for value, variable in zip(values, variables, strict=True):
        variable.assign(value)
    return finished_epochs


def _state(model):
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]
