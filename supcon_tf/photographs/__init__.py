"""Asks a trained encoder about one's own photographs."""
