"""Errors on corrupted images, made here or published."""
