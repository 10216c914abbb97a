"""Converts labels of every form that a loss takes to one integer per image."""

import numbers

import keras
import numpy as np
from keras import ops

from supcon_tf.frameworks.backends import id_dtype, is_tensorflow

# These are dtypes of TensorFlow. The kind of a NumPy dtype tells what it is.
_NO_NUMBERS = ("string", "complex64", "complex128")


def as_ids(labels, batch):
    """Converts labels of any form to one integer per image.

    Args:
      labels: `[B]` or `[B, 1]` integers, or floats with whole values, are ids
        of the classes. They are exact over the whole int64 range (int32 on
        other backends than TensorFlow). `[B, C]`, C > 1, is one-hot, with one 1
        in each row. None stays None.
      batch: B, an int or, where it is unknown, an integer tensor.

    Returns:
      `[B]` int64 (int32 on other backends), or None.

    Raises:
      ValueError: if labels are strings, not whole, not one-hot or not B many.
        Inside a compiled step the values are not known and not checked.

    Example:
      >>> np.array(as_ids([[0, 1, 0], [1, 0, 0]], batch=2))
      array([1, 0])
    """
    if labels is None:
        return None
    refuse_names(labels)
    if not keras.ops.is_tensor(labels):
        labels = np.asarray(labels)
    values = known_values(labels)
    if values is not None:
        _check_values(values)
        if isinstance(labels, np.ndarray):
            # A list of large integers would lose bits as a tensor.
            labels = labels.astype(id_dtype())
    # stop_gradient also makes a tensor of a variable.
    labels = ops.stop_gradient(ops.convert_to_tensor(labels))
    shape = labels.shape
    if getattr(shape, "rank", 1) is None or (
        len(shape) == 2 and shape[1] is None
    ):
        # Keras' compiled step has got labels of several shapes one after the
        # other. The number of columns is known only when the step runs.
        labels = ops.reshape(labels, (batch, -1))
        one_hot = ops.argmax(labels, axis=1)
        ids = ops.cast(labels[:, 0], id_dtype())
        is_ids = ops.shape(labels)[1] == 1
        return ops.where(is_ids, ids, ops.cast(one_hot, id_dtype()))
    if len(shape) not in (1, 2):
        raise ValueError(
            "`labels` must have shape [B], [B, 1] or, one-hot, [B, C]. "
            f"Received: shape={tuple(shape)}"
        )
    if isinstance(batch, int) and shape[0] not in (None, batch):
        raise ValueError(
            "`labels` and `projections` must have the same batch size. "
            f"Received: {shape[0]} labels and {batch} rows of projections"
        )
    if len(shape) == 2 and shape[1] != 1:
        labels = ops.argmax(labels, axis=1)
    return ops.cast(ops.reshape(labels, (-1,)), id_dtype())


def refuse_names(labels):
    """Refuses labels that are no numbers, and says how to convert them.

    Args:
      labels: array, tensor or list.

    Raises:
      ValueError: if `labels` are neither integers nor floats.

    Example:
      >>> refuse_names(["cat", "dog"])
      Traceback (most recent call last):
        ...
      ValueError: `labels` must be integers; ...
    """
    dtype = getattr(labels, "dtype", None)
    if dtype is None:
        dtype = np.asarray(labels).dtype
    name = getattr(dtype, "name", str(dtype))
    if getattr(dtype, "kind", "i") not in "biufV" or name in _NO_NUMBERS:
        raise ValueError(
            "`labels` must be integers; "
            "`names, labels = np.unique(names, return_inverse=True)` makes "
            f"them. Received: dtype={name}"
        )


def as_names(names):
    """Converts names of classes of any form to a tuple of plain values.

    Args:
      names: list, tuple, array, pandas Index or tensor of strings, bytes or
        numbers; or None.

    Returns:
      A tuple of strings (bytes are decoded as UTF-8) and numbers, which a file
      of JSON can hold; it is empty for None.

    Raises:
      ValueError: if `names` have no order or are no sequence, or if one is
        neither a string nor a number.

    Example:
      >>> as_names(np.array([b"cat", b"dog"]))
      ('cat', 'dog')
    """
    if names is None:
        return ()
    is_ordered = hasattr(names, "__iter__") and not isinstance(
        names, (set, frozenset, dict, str, bytes)
    )
    if not is_ordered or len(getattr(names, "shape", (0,))) != 1:
        raise ValueError(
            "`class_names` must be a list of names in the order of the labels. "
            f"Received: {type(names).__name__}"
        )
    if keras.ops.is_tensor(names):
        names = np.asarray(names)
    return tuple(_plain_name(name) for name in names)


def _plain_name(name):
    """A name as a string or a number of Python."""
    if isinstance(name, dict):  # bytes in a .keras file of 0.1.0
        name = keras.saving.deserialize_keras_object(name)
    if isinstance(name, bytes):
        return name.decode("utf-8", "replace")
    name = name.item() if isinstance(name, np.generic) else name
    if not isinstance(name, (str, numbers.Real)) or name != name:
        raise ValueError(
            "`class_names` must be strings or numbers. "
            f"Received: {type(name).__name__} {name!r:.60}"
        )
    return name


def known_values(labels):
    """Returns the labels as an array, or None inside a compiled step.

    Args:
      labels: array, tensor or list.

    Returns:
      A NumPy array, or None where the values are not computed yet.

    Example:
      >>> known_values(tf.constant([3, 1]))
      array([3, 1], dtype=int32)
    """
    try:
        values = ops.convert_to_numpy(labels)
    except (TypeError, ValueError, NotImplementedError, AttributeError):
        return None
    return values if isinstance(values, np.ndarray) else None


def _check_values(values):
    if np.issubdtype(values.dtype, np.inexact) or values.dtype.kind == "V":
        values = values.astype(np.float64)  # bfloat16 is of NumPy's kind V
        wrong = ~((np.abs(values) < 2.0**63) & (values == np.round(values)))
        if wrong.any():
            raise ValueError(
                "`labels` must be whole numbers, of at most 64 bits. "
                f"Received: {values[wrong].ravel()[0]}"
            )
    if values.ndim == 2 and values.shape[1] > 1:
        wrong = (values.astype(bool) != values).any(1) | (values.sum(1) != 1)
        if wrong.any():
            raise ValueError(
                "`labels` of shape [B, C] must be one-hot, with exactly one 1 "
                "in each row; what else makes positives goes into "
                f"supcon_loss(positives_mask=...). Received: row "
                f"{np.flatnonzero(wrong)[0]} = {values[wrong][0].tolist()}"
            )
    elif values.size and not is_tensorflow():
        limits = np.iinfo(np.int32)
        if values.min() < limits.min or values.max() > limits.max:
            raise ValueError(
                "`labels` must be int32 on this backend. Received: values from "
                f"{values.min()} to {values.max()}"
            )
