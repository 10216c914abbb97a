"""SupCon on CIFAR-10 with ResNet-50 on one GPU, by JAX, PyTorch or TensorFlow.

Paper: 96.0 top-1 (Table 2), by the authors' PyTorch code, whose settings these
are. Measured: not yet. That code trains with the rate 0.5 and the decay 1e-4 on
the loss times 0.1 / 0.07; the learning rate assumes the loss as it is, so that
the rate is 0.5 / 0.7 and the decay 0.7e-4. The images are arrays in a file, and
the views are made on the GPU. docs/pages/guides/one_gpu.md has the whole run.

    supcon-pretrain --recipe=supcon_cifar10_resnet50_one_gpu \
      --data_dir=cifar10.npz --workdir=W
    supcon-linear-eval --workdir=W
"""

import dataclasses

from supcon_tf.recipes import supcon_cifar10_resnet50

TOP_1 = "96.0 (paper)"
CONFIG = dataclasses.replace(
    supcon_cifar10_resnet50.CONFIG,
    dataset="npz",
    views="device",
    precision="mixed_bfloat16",
    batch_size=1024,
    scale_by_temperature=False,
    base_learning_rate=0.5 / 0.7 / 4,  # for 256 images
    weight_decay=0.7e-4,
)
