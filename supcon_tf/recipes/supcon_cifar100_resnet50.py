"""SupCon on CIFAR-100 with ResNet-50: the settings of CIFAR-10.

Paper: 76.5 top-1 (Table 2). Measured: not yet. The official code has no preset
for CIFAR-100; the PyTorch code has one for both data sets. The learning rate
assumes the loss times the temperature.

    supcon-pretrain --recipe=supcon_cifar100_resnet50 --workdir=W
    supcon-linear-eval --recipe=cifar --workdir=W
"""

import dataclasses

from supcon_tf.recipes import supcon_cifar10_resnet50

TOP_1 = "76.5 (paper)"
CONFIG = dataclasses.replace(
    supcon_cifar10_resnet50.CONFIG,
    dataset="cifar100",
    mean=(0.5071, 0.4867, 0.4408),
    std=(0.2675, 0.2565, 0.2761),
)
