"""Hides the insides of Keras, its backends, and packages that are extras."""
