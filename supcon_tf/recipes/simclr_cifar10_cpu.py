"""SimCLR on CIFAR-10 on two CPU cores: `cifar10_cpu` without labels.

Paper: none at this size. Measured: on a fifth of the images, see
docs/pages/benchmarks.md. Two views and SimCLR's temperature for CIFAR. The
learning rate assumes the loss as it is.

    supcon-pretrain --recipe=simclr_cifar10_cpu --workdir=W
"""

import dataclasses

from supcon_tf.recipes import cifar10_cpu

TOP_1 = "not measured"
CONFIG = dataclasses.replace(
    cifar10_cpu.CONFIG,
    objective="simclr",
    augmentation="simclr",
    crop_area=(0.2, 1.0),
    num_views=2,
    temperature=0.5,
)
