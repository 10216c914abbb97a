"""Cross-entropy on CIFAR-100 with ResNet-50: the settings of CIFAR-10.

Paper: 75.3 top-1 (Table 2). Measured: not yet. The official code has no preset
for CIFAR-100; the PyTorch code has one for both data sets.

    supcon-pretrain --recipe=cross_entropy_cifar100_resnet50 --workdir=W
    supcon-linear-eval --recipe=cifar --workdir=W
"""

import dataclasses

from supcon_tf.recipes import cross_entropy_cifar10_resnet50

TOP_1 = "75.3 (paper)"
CONFIG = dataclasses.replace(
    cross_entropy_cifar10_resnet50.CONFIG,
    dataset="cifar100",
    mean=(0.5071, 0.4867, 0.4408),
    std=(0.2675, 0.2565, 0.2761),
)
