"""Optimizers and learning-rate schedules of the paper's recipes."""

import keras
from keras import ops

SCHEDULES = ("cosine", "constant")


@keras.saving.register_keras_serializable("supcon_tf")
class SGD(keras.optimizers.SGD):
    """SGD with momentum and the papers' weight decay: L2 in the gradient.

    Keras' own `weight_decay` is decoupled: it shrinks the weights beside the
    gradient step, which with momentum is another algorithm. Here
    `l2 * variable` is added to the gradient, as the official code, torch and
    the literature's recipes do. Vectors (biases, BatchNormalization) are not
    decayed.

    Args:
      learning_rate: float or `LearningRateSchedule`.
      l2: float >= 0, the weight decay.
      **kwargs: as for `keras.optimizers.SGD`, such as `momentum=0.9`.

    Raises:
      ValueError: if `l2` is negative.

    Example:
      >>> model.compile(optimizer=SGD(0.5, momentum=0.9, l2=1e-4), loss=loss)
    """

    def __init__(self, learning_rate=0.01, l2=0.0, **kwargs):
        if not l2 >= 0:
            raise ValueError(f"`l2` must be >= 0. Received: l2={l2}")
        super().__init__(learning_rate, **kwargs)
        self.l2 = l2

    def update_step(self, gradient, variable, learning_rate):
        """One step for one variable."""
        if self.l2 and len(variable.shape) > 1:
            gradient = ops.add(gradient, ops.multiply(variable, self.l2))
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        """Every argument of the constructor."""
        return {**super().get_config(), "l2": self.l2}


@keras.saving.register_keras_serializable("supcon_tf")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from 0 before another schedule, which starts after it.

    Args:
      schedule: `LearningRateSchedule`, or a float, to follow the warm-up.
      warmup_steps: int >= 0; at this step the schedule's first value is
        reached.

    Example:
      >>> WarmUp(0.5, warmup_steps=10)(5)
      <tf.Tensor: shape=(), dtype=float32, numpy=0.25>

    Reference:
      Goyal et al. 2017, arXiv 1706.02677, Sec. 2.2.
    """

    def __init__(self, schedule, warmup_steps):
        super().__init__()
        self.schedule = schedule
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        """Learning rate at `step`."""
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
        """Every argument of the constructor."""
        return {
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "warmup_steps": self.warmup_steps,
        }

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["warmup_steps"])


def learning_rate_schedule(name, peak, *, total_steps, warmup_steps=0):
    """A schedule by name: linear warm-up from 0 to the peak, then the named.

    Args:
      name: `"cosine"`, to 0 at `total_steps`, or `"constant"`.
      peak: float > 0, the highest learning rate.
      total_steps: int, number of all steps.
      warmup_steps: int >= 0, less than `total_steps`.

    Returns:
      A `LearningRateSchedule`.

    Raises:
      ValueError: if the name is unknown or the warm-up leaves no step.

    Example:
      >>> schedule = learning_rate_schedule("cosine", 0.5, total_steps=100)

    Reference:
      Loshchilov & Hutter 2017, "SGDR", arXiv 1608.03983, Eq. 5.
    """
    if name not in SCHEDULES:
        raise ValueError(
            f"`schedule` must be one of {list(SCHEDULES)}. "
            f"Received: schedule={name!r}"
        )
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(
            f"The warm-up must leave steps to train: at most {total_steps - 1}"
            f" of {total_steps}. Received: {warmup_steps} steps"
        )
    schedule = peak
    if name == "cosine":
        schedule = keras.optimizers.schedules.CosineDecay(
            peak, total_steps - warmup_steps
        )
    return WarmUp(schedule, warmup_steps)
