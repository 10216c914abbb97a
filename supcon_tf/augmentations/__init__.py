"""Augmentations: to add one, write it in pipelines.py and name it here."""

from supcon_tf.augmentations.pipelines import (
    center_crop,
    crop,
    crop_flip,
    simclr,
)

AUGMENTATIONS = {
    "simclr": simclr,
    "crop_flip": crop_flip,
    "crop": crop,
    "center_crop": center_crop,
}

__all__ = ["AUGMENTATIONS", "center_crop", "crop", "crop_flip", "simclr"]
