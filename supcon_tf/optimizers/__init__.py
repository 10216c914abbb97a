"""Optimizers and learning rate schedules, by name."""

from supcon_tf.optimizers import schedules
from supcon_tf.optimizers.keras_optimizers import (
    OPTIMIZERS,
    SGD,
    Adam,
    AdamW,
    RMSprop,
    make_optimizer,
)
from supcon_tf.optimizers.lars import LARS

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
