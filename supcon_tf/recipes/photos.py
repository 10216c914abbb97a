"""One's own photographs, from an encoder that was trained on many more.

Paper: none. Measured: not yet; supcon-photos, which trains no encoder, was. The
default start is EfficientNetB0 of keras.applications, whose ImageNet weights
are downloaded once; --initial_encoder=PATH takes another, and
supcon_tf:cifar10_resnet18_w025 needs nothing. It trains on a CPU, too; for a
GPU there is --precision=mixed_float16. A linear probe on the encoder as it is
gives a first answer before the first epoch. The encoder is trained at a tenth
of the heads' learning rate, its BatchNormalization stays as it was, each class
comes equally often, and a tenth of the images tells when to stop.

    supcon-pretrain --recipe=photos --data_dir=PATH --workdir=W
    supcon-linear-eval --workdir=W
"""

from supcon_tf.config import PretrainConfig

TOP_1 = "depends on them"
CONFIG = PretrainConfig(
    objective="supcon_cross_entropy",
    dataset="folder",
    image_size=160,
    initial_encoder="keras:EfficientNetB0",
    projection_units=(512, 128),
    augmentation="crop_flip",
    crop_area=(0.3, 1.0),
    num_views=2,
    batch_size=32,
    samples_per_class=4,
    epochs=10,
    warmup_epochs=1.0,
    temperature=0.1,
    optimizer="adamw",
    learning_rate=1e-3,
    encoder_rate=0.1,
    weight_decay=1e-2,
    freeze_batch_norm=True,
    few_images=True,
    stop_fraction=0.1,
    patience=4,
)
