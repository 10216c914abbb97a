"""Keras models: an encoder, a head on it, and how they are trained."""
