"""Puts a linear classifier on a frozen encoder: fits, trains or probes it."""
