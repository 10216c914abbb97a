"""LARS, the optimizer of the papers' ImageNet recipes."""

import math
from typing import Any

import keras
from keras import ops

from supcon_tf.optimizers.lower_rates import LowerRates
from supcon_tf.optimizers.weight_decay import L2InGradient


@keras.saving.register_keras_serializable("supcon_tf")
class LARS(LowerRates, L2InGradient, keras.optimizers.SGD):
    """Layer-wise adaptive rate scaling, for batches of thousands of images.

    Each kernel moves by a given part of its own norm. With g the gradient
    plus `l2 * w`, and v the momentum:
        trust = trust_coefficient * |w| / |g|, 1 if either norm is 0
        v = momentum * v - learning_rate * trust * g
        w = w + v
    Vectors (biases, BatchNormalization) have trust 1 and are not decayed. So
    the learning rate, about 1 to 10 in the recipes, is theirs, too.

    |g| is the norm of the sum, as in the official code. In the paper it is
    |gradient| + l2 * |w|. The official code excludes only BatchNormalization,
    so the biases of its head's hidden layers are decayed and adapted.

    Args:
      learning_rate: float or `LearningRateSchedule`.
      momentum: float in [0, 1].
      trust_coefficient: float > 0; eta in the paper. 0.001 in the recipes.
      l2: float >= 0, the weight decay; it counts in |g|. Kernels that
        `exclude_from_weight_decay` is told keep their trust.
      **kwargs: as for `keras.optimizers.Optimizer`.

    Raises:
      ValueError: if an argument is out of its range.

    Example:
      >>> weight = keras.Variable([[3.0, 4.0]])  # of norm 5
      >>> LARS(10.0).apply([tf.constant([[0.0, 7.0]])], [weight])
      >>> weight.numpy().round(4)  # moved by 10 * 0.001 * 5
      array([[3.  , 3.95]], dtype=float32)

    Reference:
      You et al. 2017, "Large Batch Training of Convolutional Networks", arXiv
      1708.03888, Algorithm 1.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        *,
        momentum: float = 0.9,
        trust_coefficient: float = 0.001,
        l2: float = 0.0,
        **kwargs: Any,
    ):
        if not 0 < trust_coefficient < math.inf:
            raise ValueError(
                "`trust_coefficient` must be a finite number > 0. "
                f"Received: trust_coefficient={trust_coefficient!r}"
            )
        super().__init__(
            learning_rate, momentum=momentum, nesterov=False, l2=l2, **kwargs
        )
        self.trust_coefficient = trust_coefficient

    def effective_gradient(self, gradient, variable):
        """Returns the gradient plus L2, times the trust."""
        # The squares of small float16 gradients would be 0.
        dtype = keras.backend.result_type(variable.dtype, "float32")
        weight = ops.cast(variable, dtype)
        gradient = ops.add(
            ops.cast(gradient, dtype),
            ops.multiply(weight, self.l2_of(variable)),
        )
        weight_norm, gradient_norm = _norm(weight), _norm(gradient)
        has_trust = ops.logical_and(weight_norm > 0, gradient_norm > 0)
        # This avoids a division by 0, whose NaN the last `where` would hide.
        divisor = ops.where(has_trust, gradient_norm, 1)
        trust = self.trust_coefficient * weight_norm / divisor
        return gradient * ops.where(has_trust, trust, 1)

    def get_config(self):
        """Returns every argument of the constructor."""
        config = super().get_config()
        del config["nesterov"]
        return {**config, "trust_coefficient": self.trust_coefficient}


def _norm(tensor):
    return ops.sqrt(ops.sum(ops.square(tensor)))
