"""The Keras optimizers of the papers' recipes, with the recipes' weight decay.

None of them decays vectors (biases, BatchNormalization).
"""

from typing import Any

import keras

from supcon_tf.frameworks import keras_internals
from supcon_tf.optimizers.lower_rates import LowerRates
from supcon_tf.optimizers.weight_decay import (
    L2InGradient,
    check_not_negative,
    is_vector,
)


@keras.saving.register_keras_serializable("supcon_tf")
class SGD(LowerRates, L2InGradient, keras.optimizers.SGD):
    """SGD with momentum and the papers' weight decay: L2 in the gradient.

    With g the gradient plus `l2 * w`, and v the momentum:
        v = momentum * v - learning_rate * g
        w = w + v

    Args:
      learning_rate: float or `LearningRateSchedule`.
      l2: float >= 0, the weight decay; vectors are not decayed.
      **kwargs: as for `keras.optimizers.SGD`, such as `momentum=0.9` and
        `nesterov=True`.

    Raises:
      ValueError: if `l2` is negative.

    Example:
      >>> weight = keras.Variable([[2.0]])
      >>> SGD(0.5, l2=0.1).apply([tf.constant([[1.0]])], [weight])
      >>> round(float(weight[0, 0]), 4)  # 2 - 0.5 * (1 + 0.1 * 2)
      1.4
    """


@keras.saving.register_keras_serializable("supcon_tf")
class RMSprop(LowerRates, L2InGradient, keras.optimizers.RMSprop):
    """RMSprop of TensorFlow 1, with which the official code trains classifiers.

    With g the gradient plus `l2 * w`, s the mean square and v the momentum:
        s = rho * s + (1 - rho) * g^2
        v = momentum * v + learning_rate * g / sqrt(s + epsilon)
        w = w - v
    Here s starts at 1. In Keras' own RMSprop it starts at 0, and with a small
    epsilon the first step is then `learning_rate / sqrt(1 - rho)`, however
    small g is.

    Args:
      learning_rate: float or `LearningRateSchedule`.
      l2: float >= 0, the weight decay; vectors are not decayed.
      rho: float in [0, 1).
      momentum: float in [0, 1).
      epsilon: float >= 0, inside the root. The official code has 0.001 for the
        linear classifier and 1.0 for pretraining.
      **kwargs: as for `keras.optimizers.RMSprop`.

    Raises:
      ValueError: if an argument is out of its range.

    Example:
      >>> weight = keras.Variable([[2.0]])
      >>> RMSprop(0.5, epsilon=0.001).apply([tf.constant([[1.0]])], [weight])
      >>> round(float(weight[0, 0]), 3)  # 2 - 0.5 / sqrt(1 + 0.001)
      1.5
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        *,
        l2: float = 0.0,
        rho: float = 0.9,
        momentum: float = 0.9,
        epsilon: float = 0.001,
        **kwargs: Any,
    ):
        for name, value in (("rho", rho), ("momentum", momentum)):
            if not 0 <= value < 1:
                raise ValueError(
                    f"`{name}` must be in [0, 1). Received: {name}={value!r}"
                )
        check_not_negative("epsilon", epsilon)
        super().__init__(
            learning_rate,
            l2=l2,
            rho=rho,
            momentum=momentum,
            epsilon=epsilon,
            **kwargs,
        )

    def add_optimizer_variables(
        self, trainable_variables, name, initializer="zeros"
    ):
        """Does as Keras, but starts the mean squares, its "velocity", at 1."""
        if name == "velocity":
            initializer = "ones"
        return super().add_optimizer_variables(
            trainable_variables, name, initializer
        )


@keras.saving.register_keras_serializable("supcon_tf")
class Adam(LowerRates, L2InGradient, keras.optimizers.Adam):
    """Adam with L2 in the gradient.

    Args:
      learning_rate: float or `LearningRateSchedule`.
      l2: float >= 0, the weight decay; vectors are not decayed. Adam divides
        it by the size of the gradients, too, which `AdamW` does not.
      **kwargs: as for `keras.optimizers.Adam`.

    Raises:
      ValueError: if `l2` is negative.

    Example:
      >>> Adam(1e-3, l2=1e-4).l2
      0.0001
    """


@keras.saving.register_keras_serializable("supcon_tf")
class AdamW(LowerRates, keras.optimizers.AdamW):
    """Adam with decoupled weight decay, `w = w - learning_rate * decay * w`.

    Args:
      learning_rate: float or `LearningRateSchedule`.
      weight_decay: float >= 0; vectors are not decayed, nor is what
        `exclude_from_weight_decay` is told.
      **kwargs: as for `keras.optimizers.AdamW`.

    Raises:
      ValueError: if `weight_decay` is negative.

    Example:
      >>> AdamW(1e-3, weight_decay=0.05).weight_decay
      0.05

    Reference:
      Loshchilov & Hutter 2019, arXiv 1711.05101, Algorithm 2.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        *,
        weight_decay: float = 0.004,
        **kwargs: Any,
    ):
        check_not_negative("weight_decay", weight_decay)
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)

    def build(self, variables):
        """Makes the optimizer's variables, and excludes vectors from decay."""
        if not self.built:
            for variable in filter(is_vector, variables):
                keras_internals.exclude_from_weight_decay(self, variable)
        super().build(variables)
