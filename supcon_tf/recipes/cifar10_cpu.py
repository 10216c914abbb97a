"""CIFAR-10 on two CPU cores in half an hour: ResNet-18 at a quarter width.

Paper: none at this size (ResNet-50, 1000 epochs: 96.0). Own: see the README.
Chosen on 5,000 held-out training images (--validation_fraction=0.1), runs of
180,000 views each, top-1 of the linear classifier: one view rather than two,
0.56 against 0.49; crops from half the image rather than a fifth, 0.53 against
0.49; both, and without zero_gamma, 0.68; then 128 images a batch, 0.70.
Temperature 0.3 made no difference (0.56). The learning rate assumes the loss as
it is.

    supcon-pretrain --recipe=cifar10_cpu --workdir=runs/cifar10_cpu
"""

from supcon_tf.config import PretrainConfig

TOP_1 = "87.4 (README)"
CONFIG = PretrainConfig(
    dataset="cifar10",
    image_size=32,
    encoder="resnet18",
    width=0.25,
    stem="small_image",
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    zero_gamma=False,
    projection_units=(128, 128),
    projection_batch_norm=True,
    augmentation="crop_flip",
    crop_area=(0.5, 1.0),
    num_views=1,
    batch_size=128,
    epochs=32,
    temperature=0.1,
    base_learning_rate=0.5,
    warmup_epochs=0.5,
    weight_decay=1e-4,
)
