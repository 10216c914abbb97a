"""SupCon on ImageNet with ResNet-101, the official TensorFlow preset.

Paper: 80.2 top-1 (Table 3). Measured: not yet. (The paper names Stacked
RandAugment for it, the official script AutoAugment.) The learning rate assumes
the loss times the temperature.

    supcon-pretrain --recipe=supcon_imagenet_resnet101 --workdir=W
    supcon-linear-eval --recipe=imagenet --workdir=W
"""

import dataclasses

from supcon_tf.recipes import supcon_imagenet_resnet50

TOP_1 = "80.2 (paper)"
CONFIG = dataclasses.replace(
    supcon_imagenet_resnet50.CONFIG,
    encoder="resnet101",
    batch_size=4096,
    weight_decay=1e-4,
)
