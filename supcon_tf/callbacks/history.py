"""Callbacks that record a training, or stop one that has diverged."""

import csv
import io
import math
import pathlib

import keras
import numpy as np

from supcon_tf.errors import RunStoppedError
from supcon_tf.files import read_text, written_whole


class EpochHistory(keras.callbacks.Callback):
    """Writes the logged values of each epoch as a row of a CSV file.

    After a restart Keras' CSVLogger would write an epoch twice whose checkpoint
    had not been finished. It also writes NA into the `val_` columns.

    Args:
      path: path of the `.csv` file. If it exists already, the rows of the
        epochs before the first one of the fit are kept.

    Raises:
      ValueError: if that file is not such a history.

    Example:
      >>> history = model.fit(views, labels, epochs=2, verbose=0,
      ...                     callbacks=[EpochHistory("history.csv")])
      >>> print(pathlib.Path("history.csv").read_text())
      epoch,...
      1,...
      2,...
    """

    def __init__(self, path):
        super().__init__()
        self.path = pathlib.Path(path)
        self.rows = []
        if self.path.exists():
            self.rows = _read_rows(self.path)
        if not all(row.get("epoch", "").isdigit() for row in self.rows):
            raise ValueError(
                f"{self.path} must be a history with a column `epoch`; delete "
                "it to go on without. Received: a file that is not"
            )

    def on_epoch_end(self, epoch, logs=None):
        """Adds a row; `epoch` counts from 0 here and from 1 in the file."""
        self.rows = [row for row in self.rows if int(row["epoch"]) <= epoch]
        values = {name: _shortest(x) for name, x in (logs or {}).items()}
        self.rows.append({"epoch": epoch + 1, **values})
        with (
            written_whole(self.path) as path,
            open(path, "w", newline="") as file,
        ):
            writer = csv.DictWriter(
                file, list(self.rows[-1]), extrasaction="ignore"
            )
            writer.writeheader()
            writer.writerows(self.rows)


class DivergedError(RunStoppedError):
    """The loss is no longer finite."""


class StopIfDiverged(keras.callbacks.Callback):
    """Stops a fit whose loss is not finite, before anything else is written.

    Put it first in the list of callbacks. The newest checkpoint is then that of
    the last good epoch.

    Raises:
      DivergedError: at the end of an epoch whose loss is not finite.
    """

    def on_epoch_end(self, epoch, logs=None):
        """Checks the loss; `epoch` counts from 0."""
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            raise DivergedError(
                f"The loss must stay finite; a lower learning rate or a longer "
                f"warm-up helps. Received: {loss} in epoch {epoch + 1}"
            )


def _shortest(value):
    """A float32 in a Python float, as short as float32 is: 0.3, not 0.30000001.

    Keras logs floats of 64 bits, most of which were computed in 32.
    """
    with np.errstate(over="ignore"):
        short = np.float32(value)
    return short if float(short) == value else value


def _read_rows(path):
    """The rows of the file; one that is no table has a row that is none."""
    try:
        return list(csv.DictReader(io.StringIO(read_text(path), newline="")))
    except (OSError, ValueError, csv.Error):
        return [{}]
