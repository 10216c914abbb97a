import errno
import random
import warnings

import numpy as np
import pytest
from small_fits import dense_model, fit_dense

from supcon_tf.callbacks.checkpoints import (
    EpochCheckpoint,
    checkpoint_variables,
    read_checkpoint,
    restore_checkpoint,
)
from supcon_tf.files import NoSpaceError


def written_epochs(folder):
    """The numbers of finished epochs that there are checkpoints of."""
    return sorted(int(path.stem[-5:]) for path in folder.iterdir())


def checkpoint(folder, finished_epochs):
    return folder / f"checkpoint-{finished_epochs:05d}.npz"


def write_checkpoint(model, folder, finished_epochs):
    callback = EpochCheckpoint(folder)
    callback.set_model(model)
    callback.on_epoch_end(finished_epochs - 1)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-100])


def assert_same_weights(a, b, tolerance=0.0):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=tolerance)


@pytest.mark.slow
def test_a_restored_fit_ends_as_an_undisturbed_one(tmp_path):
    undisturbed = dense_model()
    initial = undisturbed.get_weights()
    fit_dense(undisturbed, [], epochs=4)

    killed = dense_model()
    killed.set_weights(initial)
    assert restore_checkpoint(tmp_path, killed) == 0
    fit_dense(killed, [EpochCheckpoint(tmp_path)], epochs=2)

    resumed = dense_model()
    assert restore_checkpoint(tmp_path, resumed) == 2
    fit_dense(resumed, [EpochCheckpoint(tmp_path)], epochs=4, initial_epoch=2)
    assert_same_weights(undisturbed.get_weights(), resumed.get_weights(), 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("keep", "kept"), [(1, [3]), (2, [2, 3])])
def test_the_newest_checkpoints_are_kept(keep, kept, tmp_path):
    fit_dense(dense_model(), [EpochCheckpoint(tmp_path, keep)], epochs=3)
    assert written_epochs(tmp_path) == kept
    assert restore_checkpoint(tmp_path, dense_model()) == 3


@pytest.mark.parametrize("keep", [0, 1.5, None])
def test_fewer_checkpoints_than_one_are_refused(keep, tmp_path):
    with pytest.raises(ValueError, match="`keep` must be an int >= 1"):
        EpochCheckpoint(tmp_path, keep)


def test_no_checkpoint_or_no_folder_is_the_start(tmp_path):
    model = dense_model()
    before = model.get_weights()
    (tmp_path / "checkpoint-1.npz").write_bytes(b"of another program")
    for folder in (tmp_path, tmp_path / "missing"):
        assert restore_checkpoint(folder, model) == 0
        assert read_checkpoint(folder, model) == (0, None)
    assert_same_weights(before, model.get_weights())


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(tmp_path):
    model = dense_model()
    fit_dense(model, [EpochCheckpoint(tmp_path)], epochs=1)
    after_one = model.get_weights()
    fit_dense(model, [EpochCheckpoint(tmp_path)], epochs=2, initial_epoch=1)
    newest = checkpoint(tmp_path, 2)
    whole = newest.read_bytes()
    with np.load(newest) as state:
        without_last = dict(state)
    del without_last[f"variable_{len(checkpoint_variables(model)) - 1}"]

    def flip(data, index):
        return data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]

    # Among the values of an array, which follow a header of 128 bytes.
    inside = whole.index(b"NUMPY", whole.index(b"variable_0")) + 130
    for damaged in (
        whole[:-100],
        whole[: len(whole) // 2],
        b"",
        b"nothing",
        flip(whole, inside),
        without_last,
    ):
        if isinstance(damaged, dict):
            np.savez(newest, **damaged)
        else:
            newest.write_bytes(damaged)
        restored = dense_model()
        with pytest.warns(UserWarning) as caught:
            assert restore_checkpoint(tmp_path, restored) == 1
        assert_same_weights(after_one, restored.get_weights())
        (message,) = (str(warning.message) for warning in caught)
        assert message.startswith(f"{newest} is damaged (")
        assert message.endswith(f"{checkpoint(tmp_path, 1)} is used instead")
        assert "\n" not in message


@pytest.mark.slow
def test_no_damaged_byte_goes_unnoticed(tmp_path):
    model = dense_model()
    fit_dense(model, [EpochCheckpoint(tmp_path, keep=1)], epochs=1)
    path = checkpoint(tmp_path, 1)
    whole = path.read_bytes()
    _, values = read_checkpoint(tmp_path, model)
    chance = random.Random(0)
    noticed = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] ^= chance.randrange(1, 256)
        path.write_bytes(damaged)
        try:
            finished_epochs, read = read_checkpoint(tmp_path, model)
        except ValueError as error:
            assert "must be a whole checkpoint" in str(error)
            noticed += 1
        else:  # of a date or the like
            assert finished_epochs == 1
            assert_same_weights(values, read)
    assert noticed > 200


def test_a_damaged_shape_is_not_taken_for_another_model(tmp_path):
    model = dense_model(units=9000)  # longer than what NumPy reads ahead
    write_checkpoint(model, tmp_path, 1)
    path = checkpoint(tmp_path, 1)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"(4, 9000)", b"(4, 1000)", 1))
    with pytest.raises(ValueError, match="Received: bad CRC of variable_0"):
        restore_checkpoint(tmp_path, model)


@pytest.mark.slow
def test_each_newer_damaged_checkpoint_is_a_warning(tmp_path):
    fit_dense(dense_model(), [EpochCheckpoint(tmp_path, keep=3)], epochs=3)
    cut_short(checkpoint(tmp_path, 3))
    cut_short(checkpoint(tmp_path, 2))
    with pytest.warns(UserWarning) as caught:
        assert restore_checkpoint(tmp_path, dense_model()) == 1
    assert len(caught) == 2


@pytest.mark.slow
def test_a_damaged_old_checkpoint_is_not_looked_at(tmp_path):
    fit_dense(dense_model(), [EpochCheckpoint(tmp_path)], epochs=2)
    cut_short(checkpoint(tmp_path, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert restore_checkpoint(tmp_path, dense_model()) == 2


@pytest.mark.slow
def test_a_fit_that_goes_on_removes_what_it_passed_over(tmp_path):
    fit_dense(dense_model(), [EpochCheckpoint(tmp_path, keep=4)], epochs=4)
    for damaged in (3, 4):
        cut_short(checkpoint(tmp_path, damaged))
    model = dense_model()
    with pytest.warns(UserWarning, match="is damaged"):
        assert restore_checkpoint(tmp_path, model) == 2
    fit_dense(
        model, [EpochCheckpoint(tmp_path, keep=1)], initial_epoch=2, epochs=3
    )
    assert written_epochs(tmp_path) == [3]
    assert restore_checkpoint(tmp_path, dense_model()) == 3


@pytest.mark.slow
def test_checkpoints_that_are_all_damaged_are_refused(tmp_path):
    fit_dense(dense_model(), [EpochCheckpoint(tmp_path)], epochs=2)
    for path in tmp_path.iterdir():
        cut_short(path)
    model = dense_model()
    before = model.get_weights()
    with pytest.raises(ValueError) as error:
        restore_checkpoint(tmp_path, model)
    assert str(error.value) == (
        f"{checkpoint(tmp_path, 2)}, or one before it, must be a whole "
        "checkpoint; delete them to start anew. "
        "Received: File is not a zip file"
    )
    assert_same_weights(before, model.get_weights())


@pytest.mark.slow
def test_a_checkpoint_of_another_model_is_refused_and_not_skipped(tmp_path):
    model = dense_model(units=5)
    write_checkpoint(model, tmp_path, 1)
    other = dense_model(units=3)
    fit_dense(other, [EpochCheckpoint(tmp_path)], initial_epoch=1, epochs=2)
    assert written_epochs(tmp_path) == [1, 2]

    before = [np.array(v) for v in checkpoint_variables(model)]
    with pytest.raises(ValueError, match="another number or shape") as error:
        restore_checkpoint(tmp_path, model)
    assert str(checkpoint(tmp_path, 2)) in str(error.value)
    assert_same_weights(before, checkpoint_variables(model))


@pytest.mark.slow
def test_reading_a_checkpoint_sets_nothing(tmp_path):
    trained = dense_model()
    fit_dense(trained, [EpochCheckpoint(tmp_path)], epochs=1)
    model = dense_model()
    before = [np.array(v) for v in checkpoint_variables(model)]
    finished_epochs, values = read_checkpoint(tmp_path, model)
    assert finished_epochs == 1
    assert_same_weights(values, checkpoint_variables(trained))
    assert_same_weights(before, checkpoint_variables(model))


def test_a_checkpoint_holds_the_variables_in_one_order_without_metrics():
    model, again = dense_model(), dense_model()
    before = checkpoint_variables(model)
    fit_dense(model, [], epochs=1)
    after = checkpoint_variables(model)
    assert all(a is b for a, b in zip(before, after, strict=True))
    # (Some names hold the model's, which is another one for each.)
    kinds = [(v.name.split("_")[-1], v.shape) for v in after]
    assert kinds == [
        (v.name.split("_")[-1], v.shape) for v in checkpoint_variables(again)
    ]
    assert {"kernel", "mean", "state", "iteration", "momentum"} < {
        kind for kind, _ in kinds
    }
    ids = {id(variable) for variable in after}
    assert len(ids) == len(after)
    assert model.metrics_variables
    assert not ids & {id(variable) for variable in model.metrics_variables}


@pytest.mark.slow
def test_a_full_disk_is_named_and_leaves_the_last_good_checkpoint(
    tmp_path, monkeypatch
):
    model = dense_model()
    states = []
    savez = np.savez

    def savez_until_full(file, **arrays):
        if len(states) == 2:
            file.write(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        states.append([np.array(v) for v in checkpoint_variables(model)])
        savez(file, **arrays)

    monkeypatch.setattr(np, "savez", savez_until_full)
    with pytest.raises(NoSpaceError, match=r"checkpoint-00003.npz must fit"):
        fit_dense(model, [EpochCheckpoint(tmp_path)], epochs=4)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-00001.npz",
        "checkpoint-00002.npz",
    ]
    resumed = dense_model()
    assert restore_checkpoint(tmp_path, resumed) == 2
    assert_same_weights(states[-1], checkpoint_variables(resumed))


def test_a_folder_in_the_place_of_a_checkpoint_is_refused(tmp_path):
    (tmp_path / "checkpoint-00001.npz").mkdir()
    with pytest.raises(ValueError, match="must be a checkpoint, a file"):
        restore_checkpoint(tmp_path, dense_model())


def test_a_checkpoint_of_no_finished_epoch_is_damaged(tmp_path):
    np.savez(
        tmp_path / "checkpoint-00003.npz", finished_epochs=-3, num_variables=0
    )
    with pytest.raises(ValueError, match="-3 finished epochs"):
        restore_checkpoint(tmp_path, dense_model())
