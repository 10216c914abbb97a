"""Without a `keras.distribution` of JAX no rows are shared.

tests/backends/test_many_devices.py has the tests on devices of JAX.
"""

import numpy as np
from keras import ops

from supcon_tf.distribution.collectives import num_replicas
from supcon_tf.distribution.own_rows import (
    devices_of_batch,
    mesh_for,
    own_axis,
)


def test_one_device_has_all_rows():
    assert mesh_for(ops.convert_to_tensor(np.ones((8, 2)))) is None
    assert own_axis() is None
    assert devices_of_batch() == num_replicas() == 1
