"""Cross-entropy on CIFAR-10 on two CPU cores: the twin of `cifar10_cnn`.

Paper: none at this size. Measured: not yet.

    supcon-pretrain --recipe=cross_entropy_cifar10_cnn --workdir=W
"""

import dataclasses

from supcon_tf.recipes import cifar10_cnn

TOP_1 = "not measured"
CONFIG = dataclasses.replace(
    cifar10_cnn.CONFIG,
    objective="cross_entropy",
    label_smoothing=0.1,
    # Defaults again: there is no head and no contrast.
    projection_units=(2048, 128),
    projection_batch_norm=False,
)
