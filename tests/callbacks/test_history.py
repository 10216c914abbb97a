import csv
import os

import keras
import numpy as np
import pytest
from small_fits import dense_model, fit_dense

from supcon_tf.callbacks.checkpoints import EpochCheckpoint, restore_checkpoint
from supcon_tf.callbacks.history import (
    DivergedError,
    EpochHistory,
    StopIfDiverged,
)


@pytest.mark.slow
def test_the_history_has_one_row_an_epoch_also_after_a_restart(tmp_path):
    path = tmp_path / "history.csv"
    first = fit_dense(dense_model(), [EpochHistory(path)], epochs=3).history
    # Killed after the row of epoch 3, before its checkpoint: from epoch 2 on.
    again = fit_dense(
        dense_model(), [EpochHistory(path)], initial_epoch=2, epochs=4
    ).history
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    losses = [float(row["loss"]) for row in rows]
    np.testing.assert_allclose(
        losses, first["loss"][:2] + again["loss"], rtol=1e-6
    )


def test_numbers_are_as_short_as_their_precision(tmp_path):
    """A rate of 0.3 stood there as 0.30000001192092896."""
    history = EpochHistory(tmp_path / "history.csv")
    of_32_bits = float(np.float32(0.3))
    history.on_epoch_end(0, {"a": of_32_bits, "b": 0.1, "c": 1e300})
    assert history.path.read_text().split() == [
        "epoch,a,b,c",
        "1,0.3,0.1,1e+300",
    ]


def test_a_file_that_is_no_history_is_named(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("step,loss\n1,2\n")
    with pytest.raises(ValueError, match=r"history.csv must be a history"):
        EpochHistory(path)


@pytest.mark.slow
def test_a_history_that_cannot_be_read_is_named(tmp_path):
    """Binary content and a folder ended in tracebacks, a pipe never."""
    for number, make in enumerate(
        (
            lambda path: path.write_bytes(b"\xff\xfe\x00"),
            lambda path: path.mkdir(),
            os.mkfifo,
        )
    ):
        path = tmp_path / f"{number}.csv"
        make(path)
        with pytest.raises(ValueError, match="must be a history with"):
            EpochHistory(path)


def test_a_diverged_fit_stops_and_keeps_the_last_good_epoch(tmp_path):
    class Diverge(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                logs["loss"] = float("nan")

    callbacks = [Diverge(), StopIfDiverged(), EpochCheckpoint(tmp_path)]
    with pytest.raises(DivergedError, match=r"Received: nan in epoch 2"):
        fit_dense(dense_model(), callbacks, epochs=3)
    assert restore_checkpoint(tmp_path, dense_model()) == 1
