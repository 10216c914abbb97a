"""Cross-entropy on CIFAR-10, enlarged to 224 pixels, with ViT-B/16.

Authors: 91.6 top-1 (their announcement). Measured: not yet.

    supcon-pretrain --recipe=cross_entropy_cifar10_vit_b16 --workdir=W
    supcon-linear-eval --recipe=cifar --workdir=W
"""

import dataclasses

from supcon_tf.recipes import supcon_cifar10_vit_b16

TOP_1 = "91.6 (authors)"
CONFIG = dataclasses.replace(
    supcon_cifar10_vit_b16.CONFIG,
    objective="cross_entropy",
    num_views=1,
)
