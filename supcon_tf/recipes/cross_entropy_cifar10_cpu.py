"""Cross-entropy on CIFAR-10 on two CPU cores: the twin of `cifar10_cpu`.

Paper: none at this size. Measured: see the README.

    supcon-pretrain --recipe=cross_entropy_cifar10_cpu --workdir=W
"""

import dataclasses

from supcon_tf.recipes import cifar10_cpu

TOP_1 = "88.1 (README)"
CONFIG = dataclasses.replace(
    cifar10_cpu.CONFIG,
    objective="cross_entropy",
    num_views=1,
    # Defaults again: there is no head and no contrast.
    projection_units=(2048, 128),
    projection_batch_norm=False,
)
