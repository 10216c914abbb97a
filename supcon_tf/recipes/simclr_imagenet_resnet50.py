"""SimCLR on ImageNet with ResNet-50, the official SupCon code's preset.

Paper: 70.2 top-1 (Table 3). Measured: not yet. The learning rate assumes the
loss as it is, not times the temperature.

    supcon-pretrain --recipe=simclr_imagenet_resnet50 --workdir=W
    supcon-linear-eval --recipe=simclr_imagenet --workdir=W
"""

import dataclasses

from supcon_tf.recipes import supcon_imagenet_resnet50

TOP_1 = "70.2 (paper)"
CONFIG = dataclasses.replace(
    supcon_imagenet_resnet50.CONFIG,
    objective="simclr",
    normalize_representation=False,
    projection_units=(2048, 2048, 128),
    projection_batch_norm=True,
    augmentation="simclr",
    policy=None,
    strength=1.0,
    additive_brightness=True,
    epochs=100,
    scale_by_temperature=False,
    base_learning_rate=0.3,
    weight_decay=1e-4,
)
