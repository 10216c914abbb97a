"""SimCLR on CIFAR-100 with ResNet-50: the settings of CIFAR-10.

Paper: 70.7 top-1 (Table 2). Measured: not yet. The official code has no preset
for CIFAR-100; the PyTorch code has one for both data sets. The learning rate
assumes the loss as it is.

    supcon-pretrain --recipe=simclr_cifar100_resnet50 --workdir=W
    supcon-linear-eval --recipe=simclr_cifar --workdir=W
"""

import dataclasses

from supcon_tf.recipes import simclr_cifar10_resnet50

TOP_1 = "70.7 (paper)"
CONFIG = dataclasses.replace(
    simclr_cifar10_resnet50.CONFIG,
    dataset="cifar100",
    mean=(0.5071, 0.4867, 0.4408),
    std=(0.2675, 0.2565, 0.2761),
)
