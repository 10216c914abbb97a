"""Asks a trained encoder about photographs, and shows what it answers."""
