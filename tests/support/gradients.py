"""The gradient of a function of an array, on whichever backend Keras has."""

import keras
import numpy as np


def value_and_gradient(function, x, *, compiled=True):
    """The value of a scalar function of one array, and its gradient.

    Args:
      function: function of a tensor that returns a scalar.
      x: array.
      compiled: whether JAX compiles it whole, as Keras' `fit` does.

    Returns:
      A float and an array of the shape of x.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        both = jax.value_and_grad(function)
        value, gradient = (jax.jit(both) if compiled else both)(x)
    elif backend == "torch":
        import torch

        x = torch.tensor(x, requires_grad=True)
        value = function(x)
        (gradient,) = torch.autograd.grad(value, x)
    else:
        import tensorflow as tf

        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        gradient = tf.convert_to_tensor(tape.gradient(value, x))
    as_array = keras.ops.convert_to_numpy
    return np.float64(as_array(value)), np.asarray(as_array(gradient))
