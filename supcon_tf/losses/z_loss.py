"""The Z-loss of a classifier: a function, and a Keras loss around it."""

import math
from typing import Any

import keras
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.errors import check_number
from supcon_tf.losses.pairs.projections import unit_length


@keras.saving.register_keras_serializable("supcon_tf")
def z_loss(
    labels: ArrayLike, logits: ArrayLike, *, a: float = 1.0, b: float = 0.0
) -> Any:
    """The Z-loss of each row of logits.

    The logit of the true class c is compared with the mean and the standard
    deviation of all C logits. The loss does not change if the logits are
    shifted, or scaled by a positive number:

        z_c  = (o_c - mean(o)) / std(o)
        loss = softplus(a * (b - z_c)) / a

    For shares of classes it is the mean of the losses of the classes.

    Args:
      labels: `[..., C]` one-hot, or shares of classes that sum to 1.
      logits: `[..., C]` finite floats.
      a: float > 0, how hard the loss turns at `b`.
      b: float, the z above which the loss falls to 0.

    Returns:
      `[...]` floats, at least float32. Logits that are all equal have z = 0 and
      gradient 0.

    Raises:
      ValueError: if an argument is not one of the above.

    Example:
      >>> np.round(z_loss([[1, 0, 0, 0]], [[2.0, -1.0, 0.5, 0.0]]), 4)
      array([0.2012], dtype=float32)

    Reference:
      de Brebisson and Vincent, "The Z-loss: a shift and scale invariant
      classification loss belonging to the Spherical Family", 2016,
      https://arxiv.org/abs/1604.08859
    """
    _check_arguments(a, b)
    labels, logits = ops.convert_to_tensor(labels), _in_float32(logits)
    classes = logits.shape[-1]
    if len(labels.shape) != len(logits.shape) or classes != labels.shape[-1]:
        raise ValueError(
            "`labels` must be one-hot, of the shape of the logits. Received: "
            f"labels of shape {tuple(labels.shape)} and logits of shape "
            f"{tuple(logits.shape)}"
        )
    deviations = logits - ops.mean(logits, axis=-1, keepdims=True)
    z = math.sqrt(classes) * unit_length(deviations)
    losses = ops.softplus(a * (b - z)) / a
    return ops.sum(ops.cast(labels, losses.dtype) * losses, axis=-1)


@keras.saving.register_keras_serializable("supcon_tf")
class ZLoss(keras.losses.Loss):
    """Z-loss of a classifier for `model.compile`.

    It is `z_loss` reduced to one number, with the mean and the standard
    deviation of the C logits o of a row:

        z_c  = (o_c - mean(o)) / std(o)
        loss = softplus(a * (b - z_c)) / a

    Args:
      a: float > 0, how hard the loss turns at `b`.
      b: float, the z above which the loss falls to 0.
      reduction: as for any Keras loss.
      name: name of the loss.
      dtype: dtype of the computation, as for any Keras loss. It is computed in
        at least float32.

    Call arguments:
      y_true: `[..., C]` one-hot, or shares of classes that sum to 1.
      y_pred: `[..., C]` logits.

    Raises:
      ValueError: if an argument is out of its range.

    Example:
      >>> loss = ZLoss()
      >>> round(float(loss([[1, 0, 0, 0]], [[2.0, -1.0, 0.5, 0.0]])), 4)
      0.2012
      >>> model = ClassificationModel(encoder, num_classes=10)
      >>> model.compile(optimizer="sgd", loss=loss)

    Reference:
      de Brebisson and Vincent, "The Z-loss: a shift and scale invariant
      classification loss belonging to the Spherical Family", 2016,
      https://arxiv.org/abs/1604.08859
    """

    def __init__(
        self,
        a: float = 1.0,
        b: float = 0.0,
        *,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "z_loss",
        dtype: Any = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        _check_arguments(a, b)
        self.a = a
        self.b = b

    def call(self, y_true, y_pred):
        """The loss of each row: `[..., C]` and `[..., C]` -> `[...]`."""
        return z_loss(y_true, y_pred, a=self.a, b=self.b)

    def get_config(self):
        """Returns every argument of the constructor."""
        return {**super().get_config(), "a": self.a, "b": self.b}


def _check_arguments(a, b):
    check_number("a", a, above=0)
    check_number("b", b)


def _in_float32(logits):
    """Casts to float32; float64 stays."""
    logits = ops.convert_to_tensor(logits)
    dtype = keras.backend.standardize_dtype(logits.dtype)
    return logits if dtype == "float64" else ops.cast(logits, "float32")
