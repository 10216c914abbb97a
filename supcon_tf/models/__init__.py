"""Keras models of an encoder and a head, and how they are trained."""
