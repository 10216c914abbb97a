"""The learning-rate schedules of the papers' recipes, by name."""

import itertools
import math
from collections.abc import Sequence

import keras
from keras import ops

SCHEDULES = ("cosine", "constant", "exponential", "steps")


@keras.saving.register_keras_serializable("supcon_tf")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up from 0, followed by another schedule.

    Args:
      schedule: `LearningRateSchedule` that starts after the warm-up, or a
        float.
      warmup_steps: int >= 0, the step at which the first value of the schedule
        is reached.

    Example:
      >>> schedule = WarmUp(0.5, warmup_steps=10)
      >>> [float(schedule(step)) for step in (0, 5, 10, 11)]
      [0.0, 0.25, 0.5, 0.5]

    Reference:
      Goyal et al. 2017, arXiv 1706.02677, Sec. 2.2.
    """

    def __init__(
        self,
        schedule: float | keras.optimizers.schedules.LearningRateSchedule,
        warmup_steps: int,
    ):
        super().__init__()
        self.schedule = schedule
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        """Returns the learning rate at `step`."""
        step = ops.cast(step, "float32")
        progress = step / max(self.warmup_steps, 1)
        return ops.where(
            step < self.warmup_steps,
            progress * self._after(0.0),
            self._after(ops.maximum(step - self.warmup_steps, 0.0)),
        )

    def _after(self, step):
        if callable(self.schedule):
            return self.schedule(step)
        return ops.convert_to_tensor(self.schedule, dtype="float32")

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "warmup_steps": self.warmup_steps,
        }

    @classmethod
    def from_config(cls, config):
        """Makes the schedule again from what `get_config` returned."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["warmup_steps"])


@keras.saving.register_keras_serializable("supcon_tf")
class Staircase(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that is multiplied by a factor at given steps.

    Args:
      start: float, the learning rate of step 0.
      factor: float > 0.
      drops: increasing ints, the first step of each new learning rate.

    Example:
      >>> schedule = Staircase(1.0, 0.1, drops=[3, 5])
      >>> [round(float(schedule(step)), 4) for step in range(6)]
      [1.0, 1.0, 1.0, 0.1, 0.1, 0.01]
    """

    def __init__(self, start: float, factor: float, drops: Sequence[int]):
        super().__init__()
        self.start = start
        self.factor = factor
        self.drops = list(drops)

    def __call__(self, step):
        """Returns the learning rate at `step`."""
        # Keras' PiecewiseConstantDecay has five operations for each drop, and
        # the official ImageNet classifier has (90 - 12) / 0.5 = 156 drops.
        values = [
            self.start * self.factor**count
            for count in range(len(self.drops) + 1)
        ]
        drops = ops.convert_to_tensor(self.drops, dtype="float32")
        has_dropped = ops.cast(step, "float32") >= drops
        count = ops.sum(ops.cast(has_dropped, "int32"))
        return ops.take(ops.convert_to_tensor(values, dtype="float32"), count)

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            "start": self.start,
            "factor": self.factor,
            "drops": self.drops,
        }


def learning_rate_schedule(
    name: str,
    peak: float,
    *,
    total_steps: int,
    warmup_steps: int = 0,
    steps_per_epoch: int | None = None,
    decay_rate: float | None = None,
    epochs_per_decay: float | None = None,
    decay_epochs: Sequence[float] = (),
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Makes a schedule by name, after a linear warm-up from 0 to the peak.

    With s the steps since the end of the warm-up, and e = `steps_per_epoch`:
        cosine       peak * (1 + cos(pi * s / (total - warm-up steps))) / 2
        constant     peak
        exponential  peak * decay_rate ** floor(s / (epochs_per_decay * e))
        steps        peak * decay_rate ** (number of decay_epochs * e < s)

    As in the official code, `exponential` drops at the step that ends an
    interval, and `steps` drops only after it. Here the steps of the drops are
    counted exactly, in Python. The official code counts in float32, where 2.4
    epochs of 100 steps are a little more than 240, so that its drop is one step
    late. It also sets the learning rate to 0 after `total_steps`. Here only
    cosine is 0 then, since no step is left to take.

    Args:
      name: one of SCHEDULES: `"cosine"`, `"constant"`, `"exponential"` or
        `"steps"`.
      peak: finite float > 0, the highest learning rate.
      total_steps: int, number of all steps.
      warmup_steps: int >= 0, less than `total_steps`.
      steps_per_epoch: int >= 1. Only exponential and steps use this argument
        and the following ones; the other schedules ignore them.
      decay_rate: float in (0, 1], needed by exponential and steps.
      epochs_per_decay: float > 0, at least one step; needed by exponential.
      decay_epochs: increasing floats > 0, one or more, needed by steps. They
        are counted from the end of the warm-up.

    Returns:
      A `LearningRateSchedule`.

    Raises:
      ValueError: if the name is unknown, the warm-up leaves no step, or an
        argument that the schedule needs is missing or out of its range.

    Example:
      >>> schedule = learning_rate_schedule(
      ...     "steps", 5.0, total_steps=9800, steps_per_epoch=98,
      ...     decay_rate=0.2, decay_epochs=(60, 75, 90))
      >>> [round(float(schedule(step)), 3) for step in (0, 5880, 5881, 9799)]
      [5.0, 5.0, 1.0, 0.04]

    Reference:
      Loshchilov & Hutter 2017, "SGDR", arXiv 1608.03983, Eq. 5.
    """
    if name not in SCHEDULES:
        raise ValueError(
            f"`schedule` must be one of {list(SCHEDULES)}. "
            f"Received: schedule={name!r}"
        )
    if not 0 < peak < math.inf:
        raise ValueError(f"`peak` must be > 0. Received: peak={peak!r}")
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(
            f"The warm-up must leave steps to train: at most {total_steps - 1}"
            f" of {total_steps}. Received: {warmup_steps} steps"
        )
    schedule, steps = peak, total_steps - warmup_steps
    if name == "cosine":
        schedule = keras.optimizers.schedules.CosineDecay(peak, steps)
    elif name == "exponential":
        _check_decay(name, steps_per_epoch, decay_rate)
        drops = _regular_drops(epochs_per_decay, steps_per_epoch, steps)
        schedule = Staircase(peak, decay_rate, drops)
    elif name == "steps":
        _check_decay(name, steps_per_epoch, decay_rate)
        drops = _drops_after(decay_epochs, steps_per_epoch)
        schedule = Staircase(peak, decay_rate, drops)
    return WarmUp(schedule, warmup_steps)


def _check_decay(name, steps_per_epoch, decay_rate):
    for argument, is_allowed, allowed, value in (
        (
            "steps_per_epoch",
            steps_per_epoch is not None and steps_per_epoch >= 1,
            ">= 1",
            steps_per_epoch,
        ),
        (
            "decay_rate",
            decay_rate is not None and 0 < decay_rate <= 1,
            "in (0, 1]",
            decay_rate,
        ),
    ):
        if not is_allowed:
            raise ValueError(
                f"`{argument}` must be {allowed} with schedule={name!r}. "
                f"Received: {argument}={value!r}"
            )


def _regular_drops(epochs_per_decay, steps_per_epoch, total_steps):
    """Returns the first step at or after each multiple of the interval."""
    interval = (epochs_per_decay or 0) * steps_per_epoch
    if not 1 <= interval < math.inf:
        raise ValueError(
            "`epochs_per_decay` must be > 0, at least one step of "
            f"{steps_per_epoch} an epoch, with schedule='exponential'. "
            f"Received: epochs_per_decay={epochs_per_decay!r}"
        )
    drops = (_rounded(i * interval, math.ceil) for i in itertools.count(1))
    return list(itertools.takewhile(lambda step: step <= total_steps, drops))


def _drops_after(decay_epochs, steps_per_epoch):
    """Returns the first step after each of the epochs."""
    epochs = tuple(decay_epochs)
    if not epochs or any(a >= b for a, b in itertools.pairwise((0, *epochs))):
        raise ValueError(
            "`decay_epochs` must be one or more increasing numbers > 0 with "
            f"schedule='steps'. Received: decay_epochs={decay_epochs!r}"
        )
    return [_rounded(e * steps_per_epoch, math.floor) + 1 for e in epochs]


def _rounded(steps, direction):
    # Rounds first, since 3 * 0.1 * 10 is 3.0000000000000004, but 3 is meant.
    return direction(round(steps, 6))
