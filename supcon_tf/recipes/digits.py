"""The embedded digits: seconds on a CPU; the demo and the tests.

Paper: none. Own: see the README's results.

    supcon-pretrain --recipe=digits --workdir=runs/digits
"""

from supcon_tf.config import PretrainConfig

CONFIG = PretrainConfig(
    dataset="digits",
    image_size=8,
    encoder="resnet18",
    width=0.25,
    stem="small_image",
    mean=(0.3, 0.3, 0.3),  # of the training images
    std=(0.38, 0.38, 0.38),
    projection_units=(128, 64),
    projection_batch_norm=True,  # 0.97 held out against 0.90 (batch 256)
    augmentation="crop",  # a mirrored digit is no digit
    num_views=2,
    batch_size=64,
    epochs=30,
    temperature=0.1,
    base_learning_rate=0.4,
    warmup_epochs=2.0,
    weight_decay=1e-4,
)
