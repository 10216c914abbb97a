"""Cross-entropy on ImageNet with ResNet-200, the official TensorFlow preset.

Paper: 80.9 top-1 (Table 3). Measured: not yet.

    supcon-pretrain --recipe=cross_entropy_imagenet_resnet200 --workdir=W
    supcon-linear-eval --recipe=imagenet --workdir=W
"""

import dataclasses

from supcon_tf.recipes import cross_entropy_imagenet_resnet50

TOP_1 = "80.9 (paper)"
CONFIG = dataclasses.replace(
    cross_entropy_imagenet_resnet50.CONFIG,
    encoder="resnet200",
    augmentation="stacked_randaugment",
    policy=None,
    additive_brightness=True,
    batch_size=4096,
    epochs=700,
)
