"""One's own images in a folder for each class, PATH/CLASS/, at 64 pixels.

Paper: none. Own, on 600 photographs of Imagenette (10 classes, 120 of them held
out): 0.45 top-1; with SimCLR's colour jitter, blur and small crops 0.29, with
zero_gamma and no batch norm in the head besides 0.21. Few images want mild
views and small batches; for thousands of images try --augmentation=simclr. The
learning rate assumes the loss as it is.

    supcon-pretrain --recipe=folder --data_dir=PATH --workdir=runs/mine
"""

from supcon_tf.config import PretrainConfig

TOP_1 = "depends on them"
CONFIG = PretrainConfig(
    dataset="folder",
    image_size=64,
    encoder="resnet18",
    width=0.5,
    stem="imagenet",
    zero_gamma=False,
    projection_units=(256, 128),
    projection_batch_norm=True,
    augmentation="crop_flip",
    crop_area=(0.3, 1.0),
    num_views=2,
    batch_size=32,
    epochs=50,
    temperature=0.1,
    base_learning_rate=0.5,
    warmup_epochs=2.0,
)
