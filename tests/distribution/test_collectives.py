"""What replicas do together."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.distribution import collectives

ON_TWO = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np, tensorflow as tf
from supcon_tf.distribution.collectives import (
    concat_over_replicas, first_row, num_replicas, part_of_sum,
    sum_over_replicas)
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
whole = np.arange(10.0).reshape(5, 2)
labels = np.array([2**40 + 1, -7, 2**62, 0, 5])
parts = strategy.experimental_distribute_values_from_function(
    lambda context: tf.constant(
        [whole[:2], whole[2:]][context.replica_id_in_sync_group]))
ids = strategy.experimental_distribute_values_from_function(
    lambda context: tf.constant(
        [labels[:2], labels[2:]][context.replica_id_in_sync_group]))

@tf.function
def step():
    def on_replica(part, ids):
        index = tf.distribute.get_replica_context().replica_id_in_sync_group
        with tf.GradientTape() as tape:
            tape.watch(part)
            gathered = concat_over_replicas(part)
            weights = tf.cast(index + 1, "float64") * tf.constant(
                np.arange(5.0)[:, None])
            value = tf.reduce_sum(weights * gathered)
        one = tf.constant(1.0)
        with tf.GradientTape() as other:
            other.watch(one)
            share = part_of_sum(3 * one, 12.0)
        return (gathered, tape.gradient(value, part), concat_over_replicas(ids),
                first_row(tf.shape(part)[0]), sum_over_replicas(index + 1),
                share, other.gradient(share, one))
    assert num_replicas() == 1
    return strategy.run(on_replica, (parts, ids))

results = [strategy.experimental_local_results(r) for r in step()]
gathered, gradient, gathered_ids, first, total, share, slope = results
for replica in range(2):
    np.testing.assert_array_equal(gathered[replica], whole)
    np.testing.assert_array_equal(gathered_ids[replica], labels)
    assert gathered_ids[replica].dtype == tf.int64
# Both replicas' weights, 1 and 2 times the row's number, on the replica's rows.
np.testing.assert_array_equal(gradient[0], [[0, 0], [3, 3]])
np.testing.assert_array_equal(gradient[1], [[6, 6], [9, 9], [12, 12]])
assert [int(f) for f in first] == [0, 2]
assert [int(t) for t in total] == [3, 3]
assert [float(s) for s in share] == [6, 6]
assert [float(s) for s in slope] == [3, 3]
"""


@pytest.mark.release
def test_two_replicas_with_parts_of_unequal_size():
    done = subprocess.run(
        [sys.executable, "-c", ON_TWO], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_on_one_replica_everything_is_the_identity():
    x = tf.constant([[1.0], [2.0]])
    assert collectives.replica_context() is None
    assert collectives.num_replicas() == 1
    assert collectives.concat_over_replicas(x) is x
    assert collectives.sum_over_replicas(x) is x
    assert collectives.part_of_sum(x, 7.0) is x
    assert collectives.first_row(5) == 0


def test_a_strategy_of_one_replica_is_one_replica():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    x = tf.constant([1.0])
    np.testing.assert_array_equal(
        strategy.run(lambda: collectives.concat_over_replicas(x)), x
    )
