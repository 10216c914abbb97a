"""One's own photographs, from a pretrained encoder, on a small GPU.

Paper: none. Measured: not yet. KerasCV's ResNet-50 of ImageNet is downloaded
once; --initial_encoder=PATH --precision=float32 takes another start. Batches
hold four images of each of 16 classes, so that every image has positives; a
folder of fewer classes wants a smaller batch: --batch_size=40 for ten. The
learning rate assumes the loss as it is.

    supcon-pretrain --recipe=photos --data_dir=PATH --workdir=W
    supcon-linear-eval --workdir=W
"""

from supcon_tf.config import PretrainConfig

TOP_1 = "depends on them"
CONFIG = PretrainConfig(
    objective="supcon",
    dataset="folder",
    image_size=224,
    initial_encoder="keras_cv:resnet50_imagenet",
    projection_units=(512, 128),
    projection_batch_norm=True,
    augmentation="crop_flip",
    crop_area=(0.3, 1.0),
    num_views=2,
    batch_size=64,
    samples_per_class=4,
    epochs=20,
    temperature=0.1,
    base_learning_rate=0.05,
    warmup_epochs=1.0,
    weight_decay=1e-4,
    precision="mixed_float16",
)
