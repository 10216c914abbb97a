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


def gradient_of_any_batch(loss, labels, z, *, jit_compile=False):
    """The value and gradient of a graph that does not know the batch size.

    Args:
      loss: Keras loss.
      labels: tensor `[B]`.
      z: tensor `[B, V, D]`, float64.
      jit_compile: whether XLA compiles the graph.

    Returns:
      The value, the gradient, and the gradient as it is computed eagerly.
    """
    import tensorflow as tf

    def gradient(labels, z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            value = loss(labels, z)
        return value, tape.gradient(value, z)

    signature = [
        tf.TensorSpec([None], labels.dtype),
        tf.TensorSpec([None, *z.shape[1:]], z.dtype),
    ]
    compiled = tf.function(
        gradient, input_signature=signature, jit_compile=jit_compile
    )
    return *compiled(labels, z), gradient(labels, z)[1]
