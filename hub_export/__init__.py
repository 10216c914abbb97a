"""Publishes a trained encoder as a SavedModel for TF-Hub."""

import importlib

_NAMES = {"compare": "comparison", "write_saved_model": "saved_model"}

__all__ = ["compare", "write_saved_model"]


def __getattr__(name):
    """Imports a name when it is first used, since this loads TensorFlow."""
    if name not in _NAMES:
        raise AttributeError(f"module 'hub_export' has no attribute {name!r}")
    module = importlib.import_module(f"hub_export.{_NAMES[name]}")
    return getattr(module, name)
