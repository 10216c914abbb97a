"""What every test starts from."""

import gc
import os
import pathlib

import keras
import pytest
import tiny_encoder  # noqa: F401, registers ENCODERS["tiny"]

HERE = pathlib.Path(__file__).resolve().parent
# Programs that tests start find the package and tests/support, too.
os.environ["PYTHONPATH"] = os.pathsep.join(
    map(str, (HERE.parent, HERE / "support"))
)
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    # TensorFlow takes this only before its first operation.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
if keras.backend.backend() == "jax":
    # JAX reads this when it first asks for a device.
    os.environ["XLA_FLAGS"] = (
        os.environ.get("XLA_FLAGS", "")
        + " --xla_force_host_platform_device_count=4"
    )
# What the imports have made stays: to look through it for garbage again and
# again takes a tenth of the tests' time.
gc.freeze()
gc.set_threshold(200_000, 20, 50)


@pytest.fixture(autouse=True)
def fixed_seed():
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def two_replicas():
    """A strategy of two replicas, each on a logical CPU."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture
def float64():
    """Keras computes in float64, so that other roundings cannot be seen."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
