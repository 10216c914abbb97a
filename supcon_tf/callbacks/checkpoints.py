"""Keras callbacks: history and checkpoints that survive a kill."""

import pathlib
import re
import warnings
import zipfile

import keras
import numpy as np

from supcon_tf.errors import check_int
from supcon_tf.files import written_whole


class EpochCheckpoint(keras.callbacks.Callback):
    """Writes the state of a fit after each epoch, all of it in one file.

    Weights, optimizer and epoch go into one file that is renamed into place,
    so that a kill at any moment leaves the state of a finished epoch. (Keras'
    BackupAndRestore writes weights and epoch one after the other, and removes
    them before the caller has saved the model.) Put it last in the list of
    callbacks: what the others wrote for an epoch is then there when the
    checkpoint says that the epoch is finished.

    Args:
      folder: where `checkpoint-00012.npz` is written after 12 epochs. It must
        exist.
      keep: int >= 1, how many checkpoints stay, the newest ones. 2, so that
        there is another one if a disk has damaged the newest. Those of epochs
        that are still to come are removed: a restart has passed over them.

    Raises:
      ValueError: if `keep` is no such int.
      NoSpaceError: at the end of an epoch, if the disk is full.

    Example:
      >>> first_epoch = restore_checkpoint(folder, model)
      >>> model.fit(views(first_epoch), initial_epoch=first_epoch, epochs=100,
      ...     callbacks=[EpochCheckpoint(folder)])
    """

    def __init__(self, folder, keep=2):
        super().__init__()
        check_int("keep", keep, 1)
        self.folder = pathlib.Path(folder)
        self.keep = keep

    def on_epoch_end(self, epoch, logs=None):
        """Writes the state; `epoch` counts from 0."""
        del logs
        finished_epochs = epoch + 1
        state = {
            f"variable_{index}": keras.ops.convert_to_numpy(variable)
            for index, variable in enumerate(checkpoint_variables(self.model))
        }
        target = self.folder / f"checkpoint-{finished_epochs:05d}.npz"
        with written_whole(target) as path, open(path, "wb") as file:
            np.savez(
                file,
                finished_epochs=finished_epochs,
                num_variables=len(state),
                **state,
            )
        checkpoints = _newest_first(self.folder)
        past = [n for n in checkpoints if n <= finished_epochs]
        for number in checkpoints.keys() - set(past[: self.keep]):
            checkpoints[number].unlink()


def restore_checkpoint(folder, model, read=None):
    """Sets a built and compiled model to the state in the newest checkpoint.

    Args:
      folder: where `EpochCheckpoint` wrote, or will write.
      model: the model as it was when the checkpoint was written.
      read: function that reads the checkpoint, by default `read_checkpoint`.

    Returns:
      The number of finished epochs; 0, and the model untouched, if there is no
      checkpoint.

    Raises:
      ValueError: as `read_checkpoint`; the model is untouched.
    """
    finished_epochs, values = (read or read_checkpoint)(folder, model)
    if values is None:
        return 0
    for value, variable in zip(
        values, checkpoint_variables(model), strict=True
    ):
        variable.assign(value)
    return finished_epochs


def read_checkpoint(folder, model):
    """The state in the newest checkpoint that is whole, without setting it.

    Warns of each damaged one that is newer.

    Args:
      folder: where `EpochCheckpoint` wrote, or will write.
      model: the model, built and compiled, as it was then.

    Returns:
      `(finished_epochs, values)`: an int and a NumPy array for each of
      `checkpoint_variables(model)`; `(0, None)` if there is no checkpoint.

    Raises:
      ValueError: if there are checkpoints and all are damaged, or if the
        newest that is whole is one of another model.
    """
    variables = checkpoint_variables(model)
    damaged = {}
    for path in _newest_first(folder).values():
        try:
            finished_epochs, values = _read_whole(path)
        except _DAMAGE as error:
            damaged[path] = error
            continue
        if [value.shape for value in values] != [
            tuple(variable.shape) for variable in variables
        ]:
            raise ValueError(
                f"{path} must be a checkpoint of this model; delete it, and "
                "others beside it, to start anew. Received: variables of "
                "another number or shape"
            )
        for other, error in damaged.items():
            warnings.warn(
                f"{other} is damaged ({error}); {path} is used instead",
                stacklevel=2,
            )
        return finished_epochs, values
    if damaged:
        newest, error = next(iter(damaged.items()))
        raise ValueError(
            f"{newest}, or one before it, must be a whole checkpoint; delete "
            f"them to start anew. Received: {error}"
        ) from error
    return 0, None


def checkpoint_variables(model):
    """The variables that a checkpoint holds, in its order.

    Those of the model and of its optimizer. Metrics' are not among them: they
    start anew with each epoch.

    Args:
      model: a built and compiled Keras model. Its optimizer is built if it is
        not.

    Returns:
      A list of `keras.Variable`.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]


# What zipfile and NumPy raise of a file that is not as it was written.
_DAMAGE = (
    EOFError,
    KeyError,
    OSError,
    RuntimeError,  # "is encrypted", "compression method is not supported"
    ValueError,
    zipfile.BadZipFile,
)


def _newest_first(folder):
    """Number of finished epochs -> path of each checkpoint in a folder."""
    found = {
        int(match[1]): path
        for path in pathlib.Path(folder).glob("checkpoint-*.npz")
        if (match := re.fullmatch(r"checkpoint-(\d{5,})\.npz", path.name))
    }
    return dict(sorted(found.items(), reverse=True))


def _read_whole(path):
    """Finished epochs and values in a file; raises one of _DAMAGE."""
    with zipfile.ZipFile(path) as archive:
        name = archive.testzip()  # NumPy may stop before the end of one
        if name is not None:
            raise zipfile.BadZipFile(f"bad CRC of {name}")
    with np.load(path) as state:
        count = int(state["num_variables"])
        values = [state[f"variable_{index}"] for index in range(count)]
        return int(state["finished_epochs"]), values
