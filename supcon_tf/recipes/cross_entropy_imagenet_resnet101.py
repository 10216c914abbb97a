"""Cross-entropy on ImageNet with ResNet-101: ResNet-50's settings.

Paper: none of the authors'. Measured: not yet. The official code has no preset
for it; the batch is that of SupCon with ResNet-101.

    supcon-pretrain --recipe=cross_entropy_imagenet_resnet101 --workdir=W
    supcon-linear-eval --recipe=imagenet --workdir=W
"""

import dataclasses

from supcon_tf.recipes import cross_entropy_imagenet_resnet50

TOP_1 = "not known"
CONFIG = dataclasses.replace(
    cross_entropy_imagenet_resnet50.CONFIG,
    encoder="resnet101",
    batch_size=4096,
)
