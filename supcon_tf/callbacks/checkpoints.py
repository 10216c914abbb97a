"""EpochCheckpoint: the state of a fit, in a file that survives a kill."""

import pathlib
import re
import warnings
import zipfile

import keras
import numpy as np

from supcon_tf.errors import check_int
from supcon_tf.files import opened, written_whole


class EpochCheckpoint(keras.callbacks.Callback):
    """Writes the whole state of a fit after each epoch, in one file.

    Weights, optimizer and epoch go into one file, which is renamed into place.
    A kill at any moment therefore leaves the state of a finished epoch. Keras'
    BackupAndRestore writes weights and epoch one after the other, and removes
    them before the caller has saved the model. Put this callback last in the
    list: once the checkpoint says that an epoch is finished, the other
    callbacks have then written what belongs to that epoch.

    Args:
      folder: folder in which `checkpoint-00012.npz` is written after 12 epochs.
        It must exist.
      keep: int >= 1, how many of the newest checkpoints are kept. The default
        is 2, so that there is another one if a disk has damaged the newest.
        Checkpoints of later epochs than the current one are removed, since a
        restart has passed over them.

    Raises:
      ValueError: if `keep` is not such an int.
      NoSpaceError: at the end of an epoch, if the disk is full.

    Example:
      >>> pathlib.Path("run").mkdir()
      >>> model.build(views.shape)
      >>> start = restore_checkpoint("run", model)
      >>> history = model.fit(
      ...     views, labels, initial_epoch=start, epochs=2, verbose=0,
      ...     callbacks=[EpochCheckpoint("run")])
      >>> restore_checkpoint("run", model)
      2
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
      folder: folder in which `EpochCheckpoint` wrote, or will write.
      model: the model as it was when the checkpoint was written.
      read: function that reads the checkpoint, by default `read_checkpoint`.

    Returns:
      The number of finished epochs. It is 0 if there is no checkpoint, and the
      model is then unchanged.

    Raises:
      ValueError: as `read_checkpoint`; the model is then unchanged.

    Example:
      >>> model.build(views.shape)
      >>> restore_checkpoint(".", model)
      0
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
    """Reads the state in the newest undamaged checkpoint, without setting it.

    It warns of each damaged checkpoint that is newer.

    Args:
      folder: folder in which `EpochCheckpoint` wrote, or will write.
      model: the model, built and compiled, as it was then.

    Returns:
      `(finished_epochs, values)`, an int and a list of NumPy arrays, one for
      each of `checkpoint_variables(model)`; or `(0, None)` if there is no
      checkpoint.

    Raises:
      ValueError: if there are checkpoints and all are damaged, or if the newest
        undamaged one is of another model.
    """
    variables = checkpoint_variables(model)
    damaged = {}
    for path in _newest_first(folder).values():
        if path.is_dir():
            raise ValueError(
                f"{path} must be a checkpoint, a file; move the folder away. "
                "Received: a folder"
            )
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
    """The variables in a checkpoint, those of the model and of its optimizer.

    It builds the optimizer if needed. Metrics start anew with each epoch, so
    that their variables are not in a checkpoint.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]


# What zipfile and NumPy raise for a file that has changed since it was written.
_DAMAGE = (
    EOFError,
    KeyError,
    OSError,
    RuntimeError,  # "is encrypted", "compression method is not supported"
    ValueError,
    zipfile.BadZipFile,
)


def _newest_first(folder):
    """A dict of finished epochs to path of the checkpoints in a folder."""
    found = {
        int(match[1]): path
        for path in pathlib.Path(folder).glob("checkpoint-*.npz")
        if (match := re.fullmatch(r"checkpoint-(\d{5,})\.npz", path.name))
    }
    return dict(sorted(found.items(), reverse=True))


def _read_whole(path):
    """The finished epochs and the values in a file; raises one of _DAMAGE."""
    with opened(path) as file, zipfile.ZipFile(file) as archive:
        name = archive.testzip()  # NumPy may stop before the end of an array
        if name is not None:
            raise zipfile.BadZipFile(f"bad CRC of {name}")
    with np.load(path) as state:
        count = int(state["num_variables"])
        values = [state[f"variable_{index}"] for index in range(count)]
        finished_epochs = int(state["finished_epochs"])
        if finished_epochs < 1:
            raise ValueError(f"{finished_epochs} finished epochs")
        return finished_epochs, values
