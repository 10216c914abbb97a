"""A lower learning rate for the layers below, for any Keras optimizer."""

from typing import Any

import keras

from supcon_tf.errors import check_int
from supcon_tf.frameworks.keras_internals import variable_index


class LowerRates:
    """Trains the first variables at a part of the learning rate.

    An encoder that was trained before needs smaller steps than the head that
    is put on it. The encoder's variables come first among those of a model.
    The decay of `AdamW`, which goes by the learning rate alone, stays.

    Args:
      learning_rate: float or `LearningRateSchedule`.
      lower_variables: int >= 0, how many of the first variables have the lower
        rate; 0, none, by default.
      lower_rate: float in (0, 1], the part of the learning rate that they
        have.
      **kwargs: as for the optimizer.

    Raises:
      ValueError: if an argument is out of its range.

    Example:
      >>> class Adamax(LowerRates, keras.optimizers.Adamax):
      ...     pass
      >>> Adamax(1e-3, lower_variables=2, lower_rate=0.1).lower_rate
      0.1

    Reference:
      "Discriminative fine-tuning" in Howard & Ruder 2018, "Universal Language
      Model Fine-tuning", arXiv 1801.06146, Sec. 3.2.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        *,
        lower_variables: int = 0,
        lower_rate: float = 1.0,
        **kwargs: Any,
    ):
        check_int("lower_variables", lower_variables, 0)
        if not 0 < lower_rate <= 1:
            raise ValueError(
                "`lower_rate` must be in (0, 1]. "
                f"Received: lower_rate={lower_rate!r}"
            )
        super().__init__(learning_rate, **kwargs)
        self.lower_variables = lower_variables
        self.lower_rate = lower_rate

    def update_step(self, gradient, variable, learning_rate):
        """Takes one step for one variable."""
        if variable_index(self, variable) < self.lower_variables:
            learning_rate = learning_rate * self.lower_rate
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "lower_variables": self.lower_variables,
            "lower_rate": self.lower_rate,
        }
