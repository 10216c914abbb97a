"""Cross-entropy on CIFAR-10 with ResNet-50, the official TensorFlow preset.

Paper: 95.0 top-1 (Table 2). Measured: not yet. supcon-linear-eval tells the
accuracy of its own classifier, too.

    supcon-pretrain --recipe=cross_entropy_cifar10_resnet50 --workdir=W
    supcon-linear-eval --recipe=cifar --workdir=W
"""

import dataclasses

from supcon_tf.recipes import supcon_cifar10_resnet50

TOP_1 = "95.0 (paper)"
CONFIG = dataclasses.replace(
    supcon_cifar10_resnet50.CONFIG,
    objective="cross_entropy",
    num_views=1,
    batch_size=1024,
    optimizer="nesterov",
    base_learning_rate=0.1,
    warmup_epochs=12.0,
    weight_decay=5e-4,
    # Defaults again: there is no head and no contrast.
    scale_by_temperature=False,
)
