"""Small inputs with recorded values of many losses, and what measures them.

All rows of X2 and X3 have length 3, so that their unit vectors are exactly a
third of them and 9 times a cosine is a whole number.
"""

import keras
import numpy as np
from gradients import value_and_gradient

X3 = np.array(
    [
        [[1, 2, 2], [2, 1, 2], [0, 0, 3]],
        [[2, -1, 2], [1, -2, 2], [0, -3, 0]],
        [[2, 2, -1], [2, 2, 1], [3, 0, 0]],
        [[-1, 2, 2], [-2, 1, 2], [-2, 2, 1]],
    ],
    np.float64,
)  # [B, V, D] = [4, 3, 3]
X2 = X3[:, :2].copy()  # [4, 2, 3]

# Labels of the four images.
yA = np.array([0, 1, 0, 1])
yB = np.array([0, 1, 0, 0])
fine = np.array([0, 2, 1, 2])  # the fine level of a hierarchy above yA
M = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 1, 0]])  # several classes
S = np.array([[0.7, 0.3], [0.0, 1.0], [1.0, 0.0], [0.4, 0.6]])  # shares
c = np.array([20.0, 35.0, 22.0, 30.0])  # targets of a regression
cy = np.array([20.0, 35.0, 22.0, 20.0])  # two of them equal

TEMPERATURE = 0.5  # unless a value says otherwise


def measured(loss, x, *, normalize=True, dtype="float64"):
    """The mean loss of the inputs, and its gradient by them.

    Args:
      loss: function of `[B, V, D]` projections, to losses of any shape.
      x: array `[B, V, D]`, such as X2.
      normalize: whether the loss gets the unit vectors of the rows of x. The
        gradient is always by x itself.
      dtype: of the projections.

    Returns:
      The value, the gradient `[D]` at the row x[0][0], and the Frobenius norm
      of the gradient `[B, V, D]`.
    """

    def mean(x):
        if normalize:
            x = x / keras.ops.norm(x, axis=-1, keepdims=True)
        return keras.ops.mean(keras.ops.cast(loss(x), dtype))

    value, gradient = value_and_gradient(mean, np.asarray(x, dtype))
    return value, gradient[0, 0], np.linalg.norm(gradient)


def assert_measured(loss, x, value, slopes, norm, *, normalize=True):
    """Checks what `measured` gives against values with 9 and 7 digits.

    Args:
      loss: as for `measured`.
      x: as for `measured`.
      value: the mean loss, with 9 digits after the point.
      slopes: the gradient at x[0][0], with 7 digits or more; None if it is not
        recorded.
      norm: the Frobenius norm of the gradient, with 7 digits, or None.
      normalize: as for `measured`.
    """
    found = measured(loss, x, normalize=normalize)
    np.testing.assert_allclose(found[0], value, rtol=0, atol=1e-9)
    if slopes is not None:
        np.testing.assert_allclose(found[1], slopes, rtol=0, atol=1e-7)
        np.testing.assert_allclose(found[2], norm, rtol=0, atol=1e-7)
