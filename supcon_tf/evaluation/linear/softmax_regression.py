"""Softmax regression: the one optimum of cross-entropy with a penalty."""

import warnings

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize

_ROWS = 4096  # representations whose scores are in memory at once
# Of the gradient of the mean objective, for parameters of unit curvature.
_TOLERANCE = 1e-6


def softmax_regression(x, ids, *, num_classes, l2, max_iterations=1000):
    """Minimises sum of cross-entropies + l2 * |kernel|^2 / 2 by L-BFGS.

    Features of a trained encoder are correlated, which L-BFGS alone pays for
    with hundreds of iterations. It therefore works on `V` with
    `kernel = A V`, where

        A A^T = (c x^T x + l2 I)^-1,    c = (1 - 1 / C) / C,

    is the inverse of the Hessian of equal scores, which all C classes share.
    The optimum is the same. Products are float32 and sums of rows float64.

    Args:
      x: `[n, R]` float32 representations whose means are 0.
      ids: `[n]` integers in [0, C), each there once or more.
      num_classes: C, int >= 2.
      l2: float > 0, the weight of the penalty. The bias has none.
      max_iterations: int >= 1.

    Returns:
      Kernel `[R, C]` and bias `[C]`, float64. The bias adds up to 0.

    Example:
      >>> x = np.array([[-1.0], [0.5], [0.5]], "float32")
      >>> ids = np.array([0, 1, 1])
      >>> kernel, bias = softmax_regression(x, ids, num_classes=2, l2=1.0)
      >>> (x @ kernel + bias).argmax(axis=1)
      array([0, 1, 1])
    """
    count, dim = x.shape
    curvature = (1 - 1 / num_classes) / num_classes
    hessian = (curvature * (x.T @ x)).astype(np.float64)
    hessian[np.diag_indices(dim)] += l2
    root = cholesky(hessian, lower=True)
    of_bias = np.sqrt(curvature * count)

    def parameters(v):
        v = v.reshape(dim + 1, num_classes)
        kernel = solve_triangular(root, v[:-1], lower=True, trans="T")
        return kernel, v[-1] / of_bias

    def objective(v):
        kernel, bias = parameters(v)
        value, slopes = _cross_entropy(x, ids, kernel, bias)
        value += l2 * np.sum(kernel**2) / 2
        slopes[:-1] += l2 * kernel
        slopes[:-1] = solve_triangular(root, slopes[:-1], lower=True)
        slopes[-1] /= of_bias
        return value / count, slopes.ravel() / count

    found = minimize(
        objective,
        np.zeros((dim + 1) * num_classes),
        method="L-BFGS-B",
        jac=True,
        options={
            "maxiter": max_iterations,
            "maxfun": 20 * max_iterations,
            "gtol": _TOLERANCE,
            "ftol": 1e-12,
        },
    )
    if found.nit >= max_iterations and not found.success:
        warnings.warn(
            "The linear classifier has not reached its optimum: "
            "`max_iterations` must be higher. "
            f"Received: max_iterations={max_iterations}",
            stacklevel=2,
        )
    return parameters(found.x)


def _cross_entropy(x, ids, kernel, bias):
    """The sum over images and its gradient, `[R + 1, C]` float64."""
    value, slopes = 0.0, np.zeros((len(kernel) + 1, len(bias)))
    kernel, bias = kernel.astype(np.float32), bias.astype(np.float32)
    for first in range(0, len(x), _ROWS):
        rows, own = x[first : first + _ROWS], ids[first : first + _ROWS]
        scores = rows @ kernel + bias
        scores -= scores.max(axis=1, keepdims=True)
        at_own = (np.arange(len(own)), own)
        of_own = scores[at_own]
        np.exp(scores, out=scores)
        sums = scores.sum(axis=1, keepdims=True)
        value += np.sum(np.log(sums[:, 0]) - of_own, dtype=np.float64)
        scores /= sums
        scores[at_own] -= 1
        slopes[:-1] += rows.T @ scores
        slopes[-1] += scores.sum(axis=0, dtype=np.float64)
    return value, slopes
