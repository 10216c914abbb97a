"""Cross-entropy on ImageNet with ResNet-50, the official TensorFlow preset.

Paper: 77.6 top-1 by the authors (Table 3), 78.2 by the AutoAugment paper.
Measured: not yet.

    supcon-pretrain --recipe=cross_entropy_imagenet_resnet50 --workdir=W
    supcon-linear-eval --recipe=imagenet --workdir=W
"""

import dataclasses

from supcon_tf.recipes import supcon_imagenet_resnet50

TOP_1 = "77.6 (paper)"
CONFIG = dataclasses.replace(
    supcon_imagenet_resnet50.CONFIG,
    objective="cross_entropy",
    normalize_representation=False,
    num_views=1,
    epochs=200,
    label_smoothing=0.05,
    optimizer="nesterov",
    base_learning_rate=0.1,
    weight_decay=1e-4,
    # Defaults again: there is no head and no contrast.
    projection_units=(2048, 128),
    scale_by_temperature=False,
)
