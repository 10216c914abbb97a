"""Encoders, which map images in [0, 1] to representations.

`ENCODERS` has them by name.
"""

from supcon_tf.encoders.cnn import cnn
from supcon_tf.encoders.from_keras import from_keras
from supcon_tf.encoders.from_keras_cv import from_keras_cv
from supcon_tf.encoders.from_keras_hub import from_keras_hub
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
    "cnn": cnn,
    "vit_ti16": vit_ti16,
    "vit_s16": vit_s16,
    "vit_b16": vit_b16,
}

__all__ = [
    "ENCODERS",
    "cnn",
    "from_keras",
    "from_keras_cv",
    "from_keras_hub",
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
