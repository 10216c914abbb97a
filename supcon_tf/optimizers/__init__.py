"""Optimizers and learning-rate schedules, by name."""

import functools

import keras

from supcon_tf.optimizers import schedules
from supcon_tf.optimizers.keras_optimizers import SGD, Adam, AdamW, RMSprop
from supcon_tf.optimizers.lars import LARS
from supcon_tf.optimizers.weight_decay import check_not_negative

OPTIMIZERS = {
    "sgd": SGD,
    "nesterov": functools.partial(SGD, nesterov=True),
    "lars": LARS,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
}

_WITH_MOMENTUM = ("sgd", "nesterov", "lars", "rmsprop")

_WITH_EPSILON = ("rmsprop", "adam", "adamw")


__all__ = [
    "LARS",
    "OPTIMIZERS",
    "SGD",
    "Adam",
    "AdamW",
    "RMSprop",
    "make_optimizer",
    "schedules",
]


def make_optimizer(
    name: str,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
    *,
    l2: float = 0.0,
    momentum: float = 0.9,
    rho: float = 0.9,
    epsilon: float | None = None,
    lower_variables: int = 0,
    lower_rate: float = 1.0,
) -> keras.optimizers.Optimizer:
    """Makes an optimizer by name.

    Args:
      name: one of OPTIMIZERS: `"sgd"`, `"nesterov"`, `"lars"`, `"rmsprop"`,
        `"adam"` or `"adamw"`.
      learning_rate: float or `LearningRateSchedule`.
      l2: float >= 0, the weight decay. It is L2 in the gradient, except for
        adamw, where it is decoupled (`weight_decay`).
      momentum: float in [0, 1], and below 1 for rmsprop. adam and adamw have
        none and ignore it.
      rho: float in [0, 1), of rmsprop; the others ignore it.
      epsilon: float >= 0, of rmsprop, adam and adamw; None takes the
        optimizer's own.
      lower_variables: int >= 0, how many of the first variables are trained at
        a part of the learning rate, as in `LowerRates`.
      lower_rate: float in (0, 1], that part.

    Returns:
      A `keras.optimizers.Optimizer`.

    Raises:
      ValueError: if the name is unknown, `epsilon` is given for an optimizer
        that has none, or an argument is out of its range.

    Example:
      >>> optimizer = make_optimizer("lars", 4.8, l2=1e-4)
      >>> type(optimizer).__name__, optimizer.l2
      ('LARS', 0.0001)
    """
    if name not in OPTIMIZERS:
        raise ValueError(
            f"`optimizer` must be one of {list(OPTIMIZERS)}. "
            f"Received: optimizer={name!r}"
        )
    options = {"weight_decay" if name == "adamw" else "l2": l2}
    if name in _WITH_MOMENTUM:
        options["momentum"] = float(momentum)  # Keras refuses an int
    if name == "rmsprop":
        options["rho"] = rho
    if epsilon is not None:
        if name not in _WITH_EPSILON:
            raise ValueError(
                f"`epsilon` must be None with optimizer={name!r}, which has "
                f"none. Received: epsilon={epsilon!r}"
            )
        check_not_negative("epsilon", epsilon)
        options["epsilon"] = epsilon
    if lower_rate != 1 and lower_variables:
        options |= {
            "lower_variables": lower_variables,
            "lower_rate": lower_rate,
        }
    return OPTIMIZERS[name](learning_rate, **options)
