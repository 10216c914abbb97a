"""SimCLR on CIFAR-10 with ResNet-50, the official TensorFlow preset.

Paper: 93.6 top-1 (Table 2). Measured: not yet. The learning rate assumes the
loss as it is, not times the temperature.

    supcon-pretrain --recipe=simclr_cifar10_resnet50 --workdir=W
    supcon-linear-eval --recipe=simclr_cifar --workdir=W
"""

import dataclasses

from supcon_tf.recipes import supcon_cifar10_resnet50

TOP_1 = "93.6 (paper)"
CONFIG = dataclasses.replace(
    supcon_cifar10_resnet50.CONFIG,
    objective="simclr",
    projection_units=(2048, 2048, 128),
    projection_batch_norm=True,
    batch_size=1024,
    epochs=400,
    temperature=0.5,
    scale_by_temperature=False,
)
