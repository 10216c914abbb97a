"""CIFAR-10 on a CPU in about half an hour: a ResNet-18 at a quarter width.

Paper: none at this size (ResNet-50, 1000 epochs: 96.0). Own: see the README.

    supcon-pretrain --recipe=cifar10_cpu --workdir=runs/cifar10_cpu
"""

from supcon_tf.config import PretrainConfig

CONFIG = PretrainConfig(
    dataset="cifar10",
    image_size=32,
    encoder="resnet18",
    width=0.25,
    stem="small_image",
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    projection_units=(128, 128),
    augmentation="crop_flip",
    num_views=2,
    batch_size=256,
    epochs=9,
    temperature=0.1,
    base_learning_rate=0.25,
    warmup_epochs=0.5,
    weight_decay=1e-4,
)
