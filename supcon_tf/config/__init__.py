"""The settings of the commands: a frozen dataclass each, a flag a field.

A name is imported when it is first used (PEP 562): those of an evaluation bring
SciPy, which a command that lists images need not wait for.
"""

import importlib

_NAMES = {
    "EvaluateConfig": "evaluate",
    "LinearEvalConfig": "linear_eval",
    "PretrainConfig": "pretrain",
    "TrainingConfig": "training",
}
__all__ = sorted(_NAMES)


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError(
            f"module 'supcon_tf.config' has no attribute {name!r}"
        )
    module = importlib.import_module(f"supcon_tf.config.{_NAMES[name]}")
    globals()[name] = value = getattr(module, name)
    return value


def __dir__():
    return sorted({*globals(), *__all__})
