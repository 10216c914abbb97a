"""Encoders: images in [0, 1] -> representations. ENCODERS has them by name."""

from supcon_tf.encoders.from_keras import from_keras
from supcon_tf.encoders.from_keras_cv import from_keras_cv
from supcon_tf.encoders.resnet import (
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnet200,
)
from supcon_tf.encoders.vit import vit_b16, vit_s16, vit_ti16

ENCODERS = {
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "resnet152": resnet152,
    "resnet200": resnet200,
    "vit_ti16": vit_ti16,
    "vit_s16": vit_s16,
    "vit_b16": vit_b16,
}

# Which settings of the commands an encoder has, besides `mean` and `std`.
OPTIONS = {
    "resnet18": ("width", "stem", "zero_gamma"),
    "resnet34": ("width", "stem", "zero_gamma"),
    "resnet50": ("width", "stem", "zero_gamma"),
    "resnet101": ("width", "stem", "zero_gamma"),
    "resnet152": ("width", "stem", "zero_gamma"),
    "resnet200": ("width", "stem", "zero_gamma"),
    "vit_ti16": ("patch_size",),
    "vit_s16": ("patch_size",),
    "vit_b16": ("patch_size",),
}

__all__ = [
    "ENCODERS",
    "OPTIONS",
    "from_keras",
    "from_keras_cv",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet200",
    "vit_b16",
    "vit_s16",
    "vit_ti16",
]
