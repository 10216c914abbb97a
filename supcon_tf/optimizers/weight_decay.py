"""Weight decay as L2 in the gradient, for any Keras optimizer."""

import math

from keras import ops


class L2InGradient:
    """Adds `l2 * variable` to the gradients of what is not a vector.

    Keras' own `weight_decay` is decoupled: it shrinks the weights beside the
    gradient step, which with momentum or a scaled gradient is another
    algorithm. L2 in the gradient is what the official code, torch and the
    literature's recipes have. Vectors (biases, BatchNormalization) are not
    decayed.

    Args:
      learning_rate: float or `LearningRateSchedule`.
      l2: float >= 0, the weight decay.
      **kwargs: as for the optimizer.

    Raises:
      ValueError: if `l2` is negative.

    Example:
      >>> class Adamax(L2InGradient, keras.optimizers.Adamax):
      ...     pass
      >>> optimizer = Adamax(1e-3, l2=1e-4)
    """

    def __init__(self, learning_rate, *, l2=0.0, **kwargs):
        check_not_negative("l2", l2)
        super().__init__(learning_rate, **kwargs)
        self.l2 = l2

    def update_step(self, gradient, variable, learning_rate):
        """One step for one variable."""
        if not is_vector(variable):
            gradient = self.effective_gradient(gradient, variable)
        super().update_step(gradient, variable, learning_rate)

    def effective_gradient(self, gradient, variable):
        """What the algorithm takes for the gradient.

        Args:
          gradient: of the loss, as large as the variable.
          variable: of rank 2 or more.

        Returns:
          A tensor of that size.
        """
        # Also without L2, since the sum is dense: of an Embedding's sparse
        # gradient Keras would square repeated rows one by one.
        return ops.add(gradient, ops.multiply(variable, self.l2))

    def get_config(self):
        """Every argument of the constructor."""
        return {**super().get_config(), "l2": self.l2}


def is_vector(variable):
    """Whether a variable is a bias, or another vector or scalar.

    Args:
      variable: of a layer, of Keras or of TensorFlow. (In Keras 3 its name
        does not tell the layer, but its part in it.)
    """
    # (The biases of attention have a row for each head.)
    name = variable.name.split(":")[0].split("/")[-1]
    return len(variable.shape) <= 1 or name == "bias"


def check_not_negative(name, value):
    """Raises a ValueError unless an argument is a finite number >= 0.

    Args:
      name: of the argument.
      value: its value.
    """
    if not 0 <= value < math.inf:
        raise ValueError(
            f"`{name}` must be a finite number >= 0. Received: {name}={value!r}"
        )
