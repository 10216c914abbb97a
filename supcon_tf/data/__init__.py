"""Data sets: from where images lie to batches of views."""
