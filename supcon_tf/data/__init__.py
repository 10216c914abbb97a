"""Loads and splits labelled images and makes batches of their views."""
