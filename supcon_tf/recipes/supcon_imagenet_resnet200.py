"""SupCon on ImageNet with ResNet-200, the official TensorFlow preset.

Paper: 81.4 top-1 (Table 3). Measured: not yet. The learning rate assumes the
loss times the temperature.

    supcon-pretrain --recipe=supcon_imagenet_resnet200 --workdir=W
    supcon-linear-eval --recipe=imagenet --workdir=W
"""

import dataclasses

from supcon_tf.recipes import supcon_imagenet_resnet50

TOP_1 = "81.4 (paper)"
CONFIG = dataclasses.replace(
    supcon_imagenet_resnet50.CONFIG,
    encoder="resnet200",
    augmentation="stacked_randaugment",
    policy=None,
    additive_brightness=True,
    batch_size=4096,
    epochs=700,
    base_learning_rate=0.2,
    weight_decay=1e-4,
)
