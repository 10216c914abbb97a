"""The settings of every training, and the ranges of settings."""

import dataclasses
import functools

from supcon_tf.config.settings import Checked, setting

_training = functools.partial(setting, heading="How it is trained")
_running = functools.partial(setting, heading="Where and how it runs")
POSITIVE = (lambda value: value > 0, "> 0")
POSITIVE_OR_NONE = (lambda value: value is None or value > 0, "> 0")
AT_LEAST_0 = (lambda value: value >= 0, ">= 0")
AT_LEAST_0_OR_NONE = (lambda value: value is None or value >= 0, ">= 0")
AT_LEAST_1_OR_NONE = (lambda value: value is None or value >= 1, ">= 1")
RATE_OR_NONE = (lambda value: value is None or 0 < value <= 1, "in (0, 1]")
ALL_POSITIVE = (lambda value: value and min(value) > 0, "one or more > 0")
AT_LEAST_1 = (lambda value: value >= 1, ">= 1")
FRACTION = (lambda value: 0 <= value < 1, "in [0, 1)")
FRACTION_OR_NONE = (lambda value: value is None or 0 <= value < 1, "in [0, 1)")
PART_OR_NONE = (lambda value: value is None or 0 < value < 1, "in (0, 1)")
SEED = (lambda value: 0 <= value < 2**32, "in [0, 2**32)")
WIDTHS = (lambda value: value and min(value) >= 1, "one or more ints >= 1")
RGB = (lambda value: len(value) == 3, "three floats, R, G and B")
# The text of the flag wherever an encoder's file is read.
SAFE_MODE = (
    "Refuse an encoder that holds code, as one does that started from a "
    "SavedModel; --nosafe_mode trusts whom it is from."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig(Checked):
    """The settings of every training, whatever is trained."""

    batch_size: int = _training(
        256, "Images in a global batch.", AT_LEAST_1, matters=True
    )
    epochs: int = _training(
        100, "Passes over the images.", AT_LEAST_1, matters=True
    )
    warmup_epochs: float = _training(
        0.0, "Linear warm-up of the learning rate, epochs.", AT_LEAST_0
    )
    schedule: str = _training(
        "cosine",
        "Learning rate after the warm-up: cosine, constant, exponential or "
        "steps.",
    )
    decay_rate: float | None = _training(
        None, "Factor of each drop, with exponential and steps.", RATE_OR_NONE
    )
    epochs_per_decay: float | None = _training(
        None, "Epochs from drop to drop, with exponential.", POSITIVE_OR_NONE
    )
    decay_epochs: tuple[float, ...] = _training(
        (), "Epochs of the drops after the warm-up, with steps."
    )
    optimizer: str = _training(
        "sgd", "sgd, nesterov, lars, rmsprop, adam or adamw."
    )
    momentum: float = _training(
        0.9, "Momentum of sgd, nesterov, lars and rmsprop.", FRACTION
    )
    epsilon: float | None = _training(
        None,
        "Keeps the divisor from 0, with rmsprop, adam and adamw.",
        POSITIVE_OR_NONE,
    )
    label_smoothing: float = _training(
        0.0,
        "With cross-entropy: this part of each label is spread over all "
        "classes.",
        FRACTION,
    )

    safe_mode: bool = _running(True, SAFE_MODE)

    def __post_init__(self):
        super().__post_init__()
        if not self.warmup_epochs < self.epochs:
            raise ValueError(
                f"`warmup_epochs` must be < epochs={self.epochs}. "
                f"Received: warmup_epochs={self.warmup_epochs}"
            )
        last = self.epochs - self.warmup_epochs
        if self.decay_epochs and max(self.decay_epochs) >= last:
            raise ValueError(
                "`decay_epochs` must be < epochs - warmup_epochs = "
                f"{last:g}. Received: decay_epochs={self.decay_epochs}"
            )
