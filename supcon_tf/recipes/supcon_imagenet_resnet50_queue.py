"""SupCon on ImageNet with ResNet-50, small batches, momentum encoder and queue.

Authors: 79.1 top-1 with a memory of 8192 projections and batches of 256, by SGD
on 8 GPUs (README of their PyTorch code; the paper's Sec. 4.4). Measured: not
yet. They published neither learning rate nor epochs: those here are ours. The
learning rate assumes the loss as it is, not times the temperature.

    supcon-pretrain --recipe=supcon_imagenet_resnet50_queue --workdir=W
    supcon-linear-eval --recipe=imagenet --workdir=W
"""

import dataclasses

from supcon_tf.recipes import supcon_imagenet_resnet50

TOP_1 = "79.1 (authors)"
CONFIG = dataclasses.replace(
    supcon_imagenet_resnet50.CONFIG,
    batch_size=256,
    queue_size=8192,
    encoder_momentum=0.999,
    epochs=200,
    scale_by_temperature=False,
    optimizer="sgd",
    base_learning_rate=0.1,
    weight_decay=1e-4,
)
