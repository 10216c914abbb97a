"""SupCon on CIFAR-10 with ResNet-50, the official TensorFlow preset.

Paper: 96.0 top-1 (Table 2, by the PyTorch code: batch 1024). Measured: not yet.
The learning rate assumes the loss times the temperature. Officially the
statistics of BatchNormalization were those of each core; here they are the
global batch's, whatever the number of devices (--nosync_batch_norm).

    supcon-pretrain --recipe=supcon_cifar10_resnet50 --workdir=W
    supcon-linear-eval --recipe=cifar --workdir=W
"""

from supcon_tf.config import PretrainConfig

TOP_1 = "96.0 (paper)"
CONFIG = PretrainConfig(
    objective="supcon",
    dataset="cifar10",
    image_size=32,
    encoder="resnet50",
    stem="small_image",
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2023, 0.1994, 0.2010),
    projection_units=(2048, 128),
    augmentation="simclr",
    strength=0.5,
    crop_area=(0.2, 1.0),
    blur_probability=0.0,
    num_views=2,
    batch_size=4096,
    epochs=1000,
    temperature=0.1,
    scale_by_temperature=True,
    optimizer="sgd",
    momentum=0.9,
    base_learning_rate=0.5,
    warmup_epochs=10.0,
    schedule="cosine",
    weight_decay=1e-4,
)
