"""Publish a trained encoder as a TF-Hub SavedModel."""

from hub_export.comparison import compare
from hub_export.saved_model import write_saved_model

__all__ = ["compare", "write_saved_model"]
