"""Measures errors on corrupted images, made here or published."""
