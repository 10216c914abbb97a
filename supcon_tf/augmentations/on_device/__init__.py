"""Views that the device makes within the training step, on every backend."""
