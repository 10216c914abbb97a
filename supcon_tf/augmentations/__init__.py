"""The augmentations. To add one, write it in pipelines.py and name it here."""

from supcon_tf.augmentations.crops import (
    center_crop,
    crop,
    crop_flip,
    resize_then_crop,
)
from supcon_tf.augmentations.cut_mix import cut_mix
from supcon_tf.augmentations.encoded_image import EncodedImage
from supcon_tf.augmentations.from_keras import from_keras
from supcon_tf.augmentations.pipelines import (
    autoaugment,
    randaugment,
    simclr,
    stacked_randaugment,
)

AUGMENTATIONS = {
    "simclr": simclr,
    "autoaugment": autoaugment,
    "randaugment": randaugment,
    "stacked_randaugment": stacked_randaugment,
    "crop_flip": crop_flip,
    "crop": crop,
    "center_crop": center_crop,
    "resize_then_crop": resize_then_crop,
}

__all__ = [
    "AUGMENTATIONS",
    "EncodedImage",
    "autoaugment",
    "center_crop",
    "crop",
    "crop_flip",
    "cut_mix",
    "from_keras",
    "randaugment",
    "resize_then_crop",
    "simclr",
    "stacked_randaugment",
]
