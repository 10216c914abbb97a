"""One's own images in folders, PATH/CLASS/*.jpg|jpeg|png, at 64 pixels.

Paper: none. Own: not measured; it depends on the images.

    supcon-pretrain --recipe=folder --data_dir=PATH --workdir=runs/mine
"""

from supcon_tf.config import PretrainConfig

CONFIG = PretrainConfig(
    dataset="folder",
    image_size=64,
    encoder="resnet18",
    width=0.5,
    stem="imagenet",
    projection_units=(256, 128),
    augmentation="simclr",
    num_views=2,
    batch_size=64,
    epochs=50,
    temperature=0.1,
    base_learning_rate=0.2,
    warmup_epochs=2.0,
)
