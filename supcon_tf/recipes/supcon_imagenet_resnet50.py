"""SupCon on ImageNet with ResNet-50, the official TensorFlow preset.

Paper: 78.7 top-1 (Table 3). Measured: not yet; the pipeline was run on small
data. LARS; the learning rate assumes the loss times the temperature, though
LARS hardly feels it. Officially images were scaled to [-1, 1] rather than by
ImageNet's mean and deviation, and computed in bfloat16
(--precision=mixed_bfloat16).

    supcon-pretrain --recipe=supcon_imagenet_resnet50 --workdir=W
    supcon-linear-eval --recipe=imagenet --workdir=W
"""

from supcon_tf.config import PretrainConfig

TOP_1 = "78.7 (paper)"
CONFIG = PretrainConfig(
    objective="supcon",
    dataset="imagenet2012",
    image_size=224,
    encoder="resnet50",
    stem="imagenet",
    normalize_representation=True,
    projection_units=(128,),
    augmentation="autoaugment",
    policy="v0",
    crop_area=(0.08, 1.0),
    num_views=2,
    batch_size=6144,
    epochs=350,
    temperature=0.1,
    scale_by_temperature=True,
    optimizer="lars",
    momentum=0.9,
    base_learning_rate=0.4,
    warmup_epochs=12.0,
    schedule="cosine",
    weight_decay=1e-3,
)
