"""Workers, where there is one. (Of several: test_multi_worker.)"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.distribution.workers import (
    WorkerStoppedError,
    from_chief,
    is_chief,
    num_workers,
    reporting_stopped_workers,
    share_weights,
)

UNAVAILABLE = tf.errors.UnavailableError(
    None,
    None,
    "Graph execution error:\n\nCollective ops is aborted by: Error reported "
    "from /job:worker/task:1: It is\nno more\nAdditional GRPC error ...",
)


@pytest.fixture(params=["default", "mirrored"])
def strategy(request):
    if request.param == "default":
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy(["CPU:0"])


def test_a_single_worker_is_the_chief_of_itself(strategy):
    assert num_workers(strategy) == 1
    assert is_chief(strategy)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    before = model.get_weights()
    share_weights(strategy, model)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_a_single_worker_has_what_it_reads(strategy):
    values = from_chief(strategy, lambda: {"a": 3, "b": np.arange(4)})
    assert values["a"] == 3
    np.testing.assert_array_equal(values["b"], np.arange(4))


def test_what_it_cannot_read_it_raises_as_it_is(strategy):
    def read():
        raise FileNotFoundError("gone")

    with pytest.raises(FileNotFoundError, match="gone"):
        from_chief(strategy, read)


def test_a_single_worker_blames_no_other(strategy):
    with pytest.raises(tf.errors.UnavailableError):
        with reporting_stopped_workers(strategy):
            raise UNAVAILABLE


def test_where_others_stopped_there_is_one_line():
    with pytest.raises(WorkerStoppedError) as error:
        with reporting_stopped_workers():
            raise UNAVAILABLE
    assert str(error.value) == (
        "Another worker stopped (UnavailableError: Error reported from "
        "/job:worker/task:1: It is no more); start all workers again with the "
        "same command: the run goes on after the last finished epoch"
    )


def test_an_error_of_ones_own_stays_what_it_is():
    with pytest.raises(tf.errors.ResourceExhaustedError):
        with reporting_stopped_workers():
            raise tf.errors.ResourceExhaustedError(None, None, "OOM")
