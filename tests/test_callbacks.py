import csv

import keras
import numpy as np
import pytest

from supcon_tf.callbacks import (
    DivergedError,
    EpochCheckpoint,
    EpochHistory,
    StopIfDiverged,
    restore_checkpoint,
)


def compiled_model(units=3):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(units),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5, seed=1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    return model


def fit(model, callbacks, **kwargs):
    x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    y = np.zeros((16, 3), "float32")
    return model.fit(
        x, y, shuffle=False, verbose=0, callbacks=callbacks, **kwargs
    )


def test_a_restored_fit_ends_as_an_undisturbed_one(tmp_path):
    path = tmp_path / "checkpoint.npz"
    undisturbed = compiled_model()
    initial = undisturbed.get_weights()
    fit(undisturbed, [], epochs=4)

    killed = compiled_model()
    killed.set_weights(initial)
    assert restore_checkpoint(path, killed) == 0
    fit(killed, [EpochCheckpoint(path)], epochs=2)

    resumed = compiled_model()
    assert restore_checkpoint(path, resumed) == 2
    fit(resumed, [EpochCheckpoint(path)], epochs=4, initial_epoch=2)
    for a, b in zip(
        undisturbed.get_weights(), resumed.get_weights(), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "checkpoint.npz"
    fit(compiled_model(), [EpochCheckpoint(path)], epochs=1)
    for damaged in (path.read_bytes()[:-100], b"", b"nothing"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"checkpoint.npz must be a whol"):
            restore_checkpoint(path, compiled_model())


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    path = tmp_path / "checkpoint.npz"
    fit(compiled_model(), [EpochCheckpoint(path)], epochs=1)
    other = compiled_model(units=5)
    before = other.get_weights()
    with pytest.raises(ValueError, match="of another number or shape"):
        restore_checkpoint(path, other)
    for a, b in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_history_has_one_row_an_epoch_also_after_a_restart(tmp_path):
    path = tmp_path / "history.csv"
    first = fit(compiled_model(), [EpochHistory(path)], epochs=3).history
    # Killed after the row of epoch 3, before its checkpoint: from epoch 2 on.
    again = fit(
        compiled_model(), [EpochHistory(path)], initial_epoch=2, epochs=4
    ).history
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    losses = [float(row["loss"]) for row in rows]
    np.testing.assert_allclose(
        losses, first["loss"][:2] + again["loss"], rtol=1e-6
    )


def test_a_file_that_is_no_history_is_named(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("step,loss\n1,2\n")
    with pytest.raises(ValueError, match=r"history.csv must be a history"):
        EpochHistory(path)


def test_a_diverged_fit_stops_and_keeps_the_last_good_epoch(tmp_path):
    class Diverge(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                logs["loss"] = float("nan")

    path = tmp_path / "checkpoint.npz"
    callbacks = [Diverge(), StopIfDiverged(), EpochCheckpoint(path)]
    with pytest.raises(DivergedError, match=r"Received: nan in epoch 2"):
        fit(compiled_model(), callbacks, epochs=3)
    assert restore_checkpoint(path, compiled_model()) == 1
