"""What differs between the backends, asked on TensorFlow."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.errors import NeedsTensorFlowError, RunStoppedError
from supcon_tf.frameworks import backends


def test_a_custom_gradient_gets_the_upstream_gradient_alone():
    @backends.custom_gradient
    def product(x, y):
        return 2.0 * x * y, lambda upstream: (10.0 * upstream, 20.0 * upstream)

    x, y = tf.constant(3.0), tf.constant(4.0)
    with tf.GradientTape() as tape:
        tape.watch([x, y])
        value = 5.0 * product(x, y)
    assert float(value) == 120.0
    assert [float(g) for g in tape.gradient(value, [x, y])] == [50.0, 100.0]


def test_a_custom_gradient_may_be_called_as_keras_calls_it_on_pytorch(
    monkeypatch,
):
    """Keras gives the arguments of the function, too, and `upstream`."""
    given = []
    monkeypatch.setattr(backends.ops, "custom_gradient", lambda f: f)
    square = backends.custom_gradient(lambda x: (x * x, given.append))
    _, gradient = square(3.0)
    gradient(3.0, upstream=7.0)
    gradient(8.0)
    assert given == [7.0, 8.0]


def test_what_is_a_dataset_of_tensorflow_is_known_by_its_class():
    dataset = tf.data.Dataset.range(3)
    assert backends.is_dataset(dataset)
    assert not backends.is_dataset(np.zeros(3))
    assert backends.is_spec(dataset.element_spec)
    assert not backends.is_spec(np.zeros(3))


def test_tensorflow_is_tensorflow_where_it_is_there():
    assert backends.tf.constant is tf.constant
    assert not hasattr(backends.tf, "__wrapped__")
    backends.check_tensorflow("This", "do that")
    backends.check_tensorflow("This", "do that", as_backend=True)


def test_where_it_is_missing_one_line_names_the_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(NeedsTensorFlowError, match="`pip install tensorflow`"):
        backends.tf.constant(3)
    with pytest.raises(RunStoppedError) as caught:
        backends.check_tensorflow("`view_batches`", "give arrays of views")
    assert str(caught.value) == (
        "`view_batches` needs TensorFlow: give arrays of views, or `pip "
        "install tensorflow`. Received: no TensorFlow, backend='tensorflow'"
    )


def test_on_another_backend_one_line_names_the_way_out(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(NeedsTensorFlowError) as caught:
        backends.check_tensorflow("A", "do B", as_backend=True)
    assert str(caught.value) == (
        "A needs TensorFlow as backend: do B, or set KERAS_BACKEND=tensorflow. "
        "Received: backend='jax'"
    )
    assert backends.id_dtype() == "int32"
