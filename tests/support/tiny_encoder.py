"""An encoder so small that a run of it takes seconds: ENCODERS["tiny"].

A ResNet's graph takes ten times as long to make as it does to train a few
steps. Tests of what a run writes, resumes and refuses need no ResNet. To import
this module is to register the encoder, in a subprocess, too.
"""

from keras import Input, Model, layers

from supcon_tf.encoders import ENCODERS
from supcon_tf.encoders.normalization import IMAGENET_MEAN, IMAGENET_STD


def tiny(
    input_shape,
    *,
    width=1.0,
    stem="imagenet",
    zero_gamma=True,
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    name="tiny",
):
    """Two convolutions; the options are those of a ResNet, and 32 features.

    Only the normalisation is heeded: width, stem and zero_gamma are there so
    that it can take a ResNet's place in a recipe.
    """
    del width, stem, zero_gamma
    images = Input(input_shape, name="images")
    variance = [s**2 for s in std]
    x = layers.Normalization(mean=mean, variance=variance, dtype="float32")(
        images
    )
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, name="stem_conv")(x)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(32, 3, name="last_conv")(x)
    x = layers.GlobalAveragePooling2D(dtype="float32")(x)
    return Model(images, x, name=name)


ENCODERS["tiny"] = tiny
