"""Weight decay as L2 in the gradient, for any Keras optimizer."""

from typing import Any

import keras
from keras import ops

from supcon_tf.errors import check_number
from supcon_tf.frameworks import keras_internals


class L2InGradient:
    """Adds `l2 * variable` to the gradients of variables that are no vectors.

    Keras' own `weight_decay` is decoupled. It shrinks the weights beside the
    gradient step, which is another algorithm when there is momentum or the
    gradient is scaled. The official code, torch and the literature's recipes
    have L2 in the gradient. Vectors (biases, BatchNormalization) are not
    decayed.

    Args:
      learning_rate: float or `LearningRateSchedule`.
      l2: float >= 0, the weight decay. It leaves out what
        `exclude_from_weight_decay` is told, too.
      **kwargs: as for the optimizer, without its `weight_decay`.

    Raises:
      ValueError: if `l2` is negative, or `weight_decay` is given.

    Example:
      >>> class Adamax(L2InGradient, keras.optimizers.Adamax):
      ...     pass
      >>> Adamax(1e-3, l2=1e-4).l2
      0.0001
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        *,
        l2: float = 0.0,
        **kwargs: Any,
    ):
        check_not_negative("l2", l2)
        self._refuse_decoupled(kwargs.get("weight_decay"))
        super().__init__(learning_rate, **kwargs)
        self.l2 = l2

    def build(self, variables):
        """As in Keras, unless a `weight_decay` was set by then."""
        self._refuse_decoupled(self.weight_decay)
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        """Takes one step for one variable."""
        if not is_vector(variable):
            gradient = self.effective_gradient(gradient, variable)
        super().update_step(gradient, variable, learning_rate)

    def effective_gradient(self, gradient: Any, variable: Any) -> Any:
        """Returns the gradient that the algorithm uses.

        Args:
          gradient: of the loss, of the shape of the variable.
          variable: of rank 2 or more.

        Returns:
          A tensor of that shape.
        """
        # The sum is taken even without L2, since it is dense. Keras would
        # square the repeated rows of an Embedding's sparse gradient one by one.
        return ops.add(gradient, ops.multiply(variable, self.l2_of(variable)))

    def l2_of(self, variable):
        """`l2`, or 0 for what `exclude_from_weight_decay` was told."""
        return self.l2 * keras_internals.uses_weight_decay(self, variable)

    def get_config(self):
        """Returns every argument of the constructor."""
        return {**super().get_config(), "l2": self.l2}

    def _refuse_decoupled(self, decay):
        """Refuses Keras' own weight decay, which goes round the algorithm."""
        if decay:
            raise ValueError(
                "`weight_decay` must be None: `l2` is the weight decay of "
                f"{type(self).__name__}, and AdamW has a decoupled one. "
                f"Received: weight_decay={decay!r}"
            )


def is_vector(variable):
    """Tells whether a variable is a bias, or another vector or scalar.

    Args:
      variable: of a layer, from Keras or from TensorFlow. In Keras 3 its name
        does not tell the layer, but its part in the layer.

    Returns:
      A bool.

    Example:
      >>> is_vector(keras.Variable(np.ones([2, 3]), name="kernel"))
      False
      >>> is_vector(keras.Variable(np.ones([2, 3]), name="bias"))
      True
    """
    # The biases of attention have a row for each head, so their rank is 2.
    name = variable.name.split(":")[0].split("/")[-1]
    return len(variable.shape) <= 1 or name == "bias"


def check_not_negative(name, value):
    """Raises a ValueError unless an argument is a finite number >= 0.

    Args:
      name: string, the name of the argument in the message.
      value: its value.

    Raises:
      ValueError: if it is no number, negative, infinite or NaN.

    Example:
      >>> check_not_negative("l2", -1)
      Traceback (most recent call last):
      ValueError: `l2` must be a finite number >= 0. Received: l2=-1
    """
    check_number(name, value, at_least=0)
