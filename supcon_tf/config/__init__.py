"""The settings of the commands: a frozen dataclass each, a flag a field."""

from supcon_tf.config.evaluate import EvaluateConfig
from supcon_tf.config.linear_eval import LinearEvalConfig
from supcon_tf.config.pretrain import PretrainConfig
from supcon_tf.config.training import TrainingConfig

__all__ = [
    "EvaluateConfig",
    "LinearEvalConfig",
    "PretrainConfig",
    "TrainingConfig",
]
