"""Keras callbacks that watch a fit, and keep what it needs to continue."""
