"""The folder of a run. (What a whole run makes of it: test_pretrain.)"""

import dataclasses
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.callbacks.checkpoints import EpochCheckpoint, restore_checkpoint
from supcon_tf.models.supcon_model import SupConModel
from supcon_tf.recipes import RECIPES
from supcon_tf.training.build import build_model, compile_model
from supcon_tf.training.workdir import (
    finished_encoder,
    look_at,
    write_config,
    write_example_views,
    write_models,
)

TINY = dataclasses.replace(
    RECIPES["digits"], encoder="tiny", projection_units=(8, 4)
)


def test_a_new_folder_has_nothing_and_is_not_made(tmp_path):
    found = look_at(tmp_path / "new", TINY)
    assert found == {"is_finished": False, "is_as_described": False}
    assert not list(tmp_path.iterdir())


def test_where_and_on_what_it_ran_does_not_make_it_another_run(tmp_path):
    write_config(TINY, tmp_path)
    for change in (
        {},
        {"strategy": "mirrored"},
        {"data_dir": "/elsewhere"},
        {"download": True},
    ):
        found = look_at(tmp_path, dataclasses.replace(TINY, **change))
        assert found == {"is_finished": False, "is_as_described": True}
    for change in ({"sync_batch_norm": False}, {"precision": "mixed_float16"}):
        with pytest.raises(ValueError, match="as in the run that"):
            look_at(tmp_path, dataclasses.replace(TINY, **change))


def test_an_encoder_without_a_config_is_no_finished_run(tmp_path):
    (tmp_path / "encoder.keras").write_text("of something else")
    assert not look_at(tmp_path, TINY)["is_finished"]
    write_config(TINY, tmp_path)
    assert look_at(tmp_path, TINY)["is_finished"]


def test_what_is_no_history_is_refused(tmp_path):
    (tmp_path / "history.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"history.csv must be a history"):
        look_at(tmp_path, TINY)


def test_results_of_an_earlier_encoder_go_when_another_is_written(tmp_path):
    for name in ("linear_eval.json", "classifier.keras"):
        (tmp_path / name).write_text("of fewer epochs")
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model = SupConModel(encoder)
    model.build((None, 2, 4))
    write_models(model, TINY, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "encoder.keras",
        "encoder.sha256",
        "supcon_model.keras",
    ]


@pytest.mark.slow
def test_models_and_checkpoints_are_read_as_they_were_written(tmp_path):
    model = build_model(TINY, 10)
    compile_model(model, TINY, steps_per_epoch=10)
    assert restore_checkpoint(tmp_path, model) == 0
    checkpoint = EpochCheckpoint(tmp_path)
    checkpoint.set_model(model)
    checkpoint.on_epoch_end(4)
    write_models(model, TINY, tmp_path)

    other = build_model(dataclasses.replace(TINY, seed=1), 10)
    compile_model(other, TINY, steps_per_epoch=10)
    assert restore_checkpoint(tmp_path, other) == 5
    encoder = finished_encoder(tmp_path, TINY)
    for a, b, c in zip(
        model.encoder.get_weights(),
        other.encoder.get_weights(),
        encoder.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


def test_the_example_views_leave_out_small_ones(tmp_path):
    views = np.zeros((9, 2, 8, 8, 3), "float32")
    for x in (views, {"views": views, "small_views": views[:, :1, :4, :4]}):
        data = tf.data.Dataset.from_tensors((x, np.arange(9)))
        write_example_views(data, tmp_path)
    assert list((tmp_path / "logs").iterdir())


def test_without_tensorboard_a_run_says_that_it_has_no_logs(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    write_example_views(None, tmp_path)
    assert capsys.readouterr().out == (
        f"{tmp_path / 'logs'} is left out: it needs TensorBoard, which `pip "
        "install supcon_tf[tensorboard]` brings.\n"
    )
    assert not list(tmp_path.iterdir())
