"""SupCon on CIFAR-10, enlarged to 224 pixels, with ViT-B/16.

Authors: 92.6 top-1 (their announcement; cross-entropy 91.6). Measured: not yet.
They published no settings: those here are ours. The learning rate assumes the
loss as it is.

    supcon-pretrain --recipe=supcon_cifar10_vit_b16 --workdir=W
    supcon-linear-eval --recipe=cifar --workdir=W
"""

import dataclasses

from supcon_tf.recipes import supcon_cifar10_resnet50

TOP_1 = "92.6 (authors)"
CONFIG = dataclasses.replace(
    supcon_cifar10_resnet50.CONFIG,
    image_size=224,
    encoder="vit_b16",
    batch_size=1024,
    epochs=300,
    scale_by_temperature=False,
    optimizer="adamw",
    learning_rate=5e-4,
    warmup_epochs=30.0,
    weight_decay=0.1,
    # Defaults again: the learning rate is fixed.
    base_learning_rate=0.05,
)
