"""Keras callbacks that watch a fit, and write what can be gone on from."""
