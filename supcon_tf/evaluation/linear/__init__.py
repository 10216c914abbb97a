"""A linear classifier on a frozen encoder: fitted, trained, or probed."""
