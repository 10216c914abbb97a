"""Writes the model card of an exported encoder."""

from hub_export.card.model_card import check_card, model_card

__all__ = ["check_card", "model_card"]
