"""Hides the differences of Keras' backends, TensorFlow, JAX and PyTorch.

All else goes through `keras.ops`. `tf` is TensorFlow, loaded when it is first
used: no module imports TensorFlow by itself, so that the package runs without
it on the other two.
"""

import contextlib
import sys
import types

import keras
from keras import ops

from supcon_tf.errors import NeedsTensorFlowError


def backend():
    """The name of Keras' backend: "tensorflow", "jax" or "torch"."""
    return keras.backend.backend()


def is_tensorflow():
    """Whether Keras' backend is TensorFlow."""
    return backend() == "tensorflow"


def check_tensorflow(what, instead, *, as_backend=False):
    """Refuses what only TensorFlow can do, where there is none.

    Args:
      what: what is asked for, such as "`view_batches`".
      instead: the way out, an order such as "give arrays of views".
      as_backend: whether TensorFlow must be Keras' backend. Otherwise it is
        enough that it is installed.

    Raises:
      NeedsTensorFlowError: if it is so.
    """
    if as_backend:
        if is_tensorflow():
            return
        raise NeedsTensorFlowError(
            f"{what} needs TensorFlow as backend: {instead}, or set "
            f"KERAS_BACKEND=tensorflow. Received: backend={backend()!r}"
        )
    try:
        _tensorflow()
    except NeedsTensorFlowError as error:
        raise NeedsTensorFlowError(
            f"{what} needs TensorFlow: {instead}, or `pip install tensorflow`. "
            f"Received: no TensorFlow, backend={backend()!r}"
        ) from error


def is_dataset(x):
    """Whether it is a `tf.data.Dataset`; without TensorFlow nothing is.

    Args:
      x: anything.

    Example:
      >>> is_dataset([1, 2])
      False
    """
    return "tensorflow" in sys.modules and isinstance(x, tf.data.Dataset)


def is_spec(x):
    """Whether it is a `tf.TypeSpec`; without TensorFlow nothing is."""
    return "tensorflow" in sys.modules and isinstance(x, tf.TypeSpec)


def on_cpu():
    """A context in which TensorFlow computes on the CPU; else an empty one."""
    return tf.device("CPU") if is_tensorflow() else contextlib.nullcontext()


def is_in_graph():
    """Whether a graph of TensorFlow is being made, in which nothing is known.

    On the other backends the values themselves tell whether they are known.
    """
    return is_tensorflow() and not tf.executing_eagerly()


def id_dtype():
    """The dtype of ids of classes, the largest integers of the backend.

    Keras gives JAX int32, and PyTorch int32 as well, so that a label has the
    same limits on both.
    """
    return "int64" if is_tensorflow() else "int32"


def custom_gradient(function):
    """As `ops.custom_gradient`, with one form of gradient on every backend.

    TensorFlow and JAX call the gradient with the upstream gradient. Keras calls
    it on PyTorch with the arguments of the function, too, and `upstream`.

    Args:
      function: function of tensors that returns a tensor and its gradient, a
        function of the upstream gradient. That returns one tensor, or a tuple
        with one for each argument.

    Returns:
      The function of tensors that returns the tensor.

    Example:
      >>> @custom_gradient
      ... def square(x):
      ...     return x * x, lambda upstream: 2.0 * x * upstream
      >>> float(square(ops.convert_to_tensor(3.0)))
      9.0
    """

    @ops.custom_gradient
    def of_backend(*arguments):
        value, gradient = function(*arguments)

        def called(*given, upstream=None):
            return gradient(given[-1] if upstream is None else upstream)

        return value, called

    return of_backend


def while_loop(is_unfinished, step, state, *, at_once):
    """As `ops.while_loop`, with few steps at a time.

    Keras lets TensorFlow run ten steps at once, with ten blocks in memory.

    Args:
      is_unfinished: function of the state.
      step: function of the state that returns the next one.
      state: tuple of tensors.
      at_once: int, how many steps TensorFlow may run at once.

    Returns:
      The last state.
    """
    if is_tensorflow():
        return tf.while_loop(
            is_unfinished, step, state, parallel_iterations=at_once
        )
    return ops.while_loop(is_unfinished, step, state)


class _LazyTensorFlow(types.ModuleType):
    """TensorFlow, imported when something of it is first asked for."""

    def __getattr__(self, name):
        # What looks through modules, such as doctest, must not load it.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_tensorflow(), name)


def _tensorflow():
    try:
        import tensorflow
    except ImportError as error:
        raise NeedsTensorFlowError(
            "This needs TensorFlow: `pip install tensorflow`. Received: "
            f"no TensorFlow, backend={backend()!r}"
        ) from error
    return tensorflow


tf = _LazyTensorFlow("tensorflow")
