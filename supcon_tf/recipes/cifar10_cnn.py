"""CIFAR-10 on two CPU cores: seven plain convolutions, `encoders.cnn`.

Paper: none at this size (ResNet-50, 1000 epochs: 96.0). Measured: not yet. The
batch, the momentum of Nesterov, the weight decay, the crops and the rate were
chosen for cross-entropy, in 8 epochs on 5,000 held-out training images: crops
from four fifths of the image rather than half of it gave 0.859 against 0.849,
and twice the rate 0.862. The learning rate assumes the loss as it is.

    supcon-pretrain --recipe=cifar10_cnn --workdir=W
"""

import dataclasses

from supcon_tf.recipes import cifar10_cpu

TOP_1 = "not measured"
CONFIG = dataclasses.replace(
    cifar10_cpu.CONFIG,
    encoder="cnn",
    width=0.5,
    # Defaults again: they are of ResNets.
    stem="small_image",
    zero_gamma=True,
    crop_area=(0.8, 1.0),
    batch_size=256,
    optimizer="nesterov",
    base_learning_rate=1.0,
    warmup_epochs=1.0,
    weight_decay=5e-4,
)
