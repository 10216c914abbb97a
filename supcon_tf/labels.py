"""Labels of every form that the loss takes -> one integer per image."""

import keras
import numpy as np
from keras import ops

# dtypes of TensorFlow; NumPy's are told by their kind.
_NO_NUMBERS = ("string", "complex64", "complex128")


def as_ids(labels, batch):
    """Labels of any form as one integer per image.

    Args:
      labels: `[B]` or `[B, 1]` integers, or whole numbers as floats: ids of the
        classes, exact over the whole int64 range (int32 on other backends than
        TensorFlow). `[B, C]`, C > 1: one-hot, one 1 in each row. None stays
        None.
      batch: B, an int or, where unknown, an integer tensor.

    Returns:
      `[B]` int64 (int32 on other backends), or None.

    Raises:
      ValueError: if labels are strings, not whole, not one-hot or not B.
        Inside a compiled step values are not known, and not checked.

    Example:
      >>> as_ids([[0, 1, 0], [1, 0, 0]], batch=2)   # [1, 0]
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
            # (A list of large integers would lose bits as a tensor.)
            labels = labels.astype(_id_dtype())
    # (Also makes a tensor of a variable.)
    labels = ops.stop_gradient(ops.convert_to_tensor(labels))
    shape = labels.shape
    if getattr(shape, "rank", 1) is None or (
        len(shape) == 2 and shape[1] is None
    ):
        # Keras' compiled step, fed labels of several shapes one after the
        # other: the number of columns shows only when it runs.
        labels = ops.reshape(labels, (batch, -1))
        one_hot = ops.argmax(labels, axis=1)
        ids = ops.cast(labels[:, 0], _id_dtype())
        is_ids = ops.shape(labels)[1] == 1
        return ops.where(is_ids, ids, ops.cast(one_hot, _id_dtype()))
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
    return ops.cast(ops.reshape(labels, (-1,)), _id_dtype())


def refuse_names(labels):
    """Refuses strings and what else is no number, with the way out.

    Raises:
      ValueError: if `labels` are neither integers nor floats.
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


def known_values(labels):
    """The labels as an array, or None inside a compiled step.

    Args:
      labels: array, tensor or list.

    Returns:
      A NumPy array, or None where the values are still to be computed.
    """
    try:
        values = ops.convert_to_numpy(labels)
    except (TypeError, ValueError, NotImplementedError, AttributeError):
        return None
    return values if isinstance(values, np.ndarray) else None


def _id_dtype():
    return "int64" if keras.backend.backend() == "tensorflow" else "int32"


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
    elif values.size and keras.backend.backend() != "tensorflow":
        limits = np.iinfo(np.int32)
        if values.min() < limits.min or values.max() > limits.max:
            raise ValueError(
                "`labels` must be int32 on this backend. Received: values from "
                f"{values.min()} to {values.max()}"
            )
