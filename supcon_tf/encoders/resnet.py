"""ResNet v1.5 encoders of 18, 34, 50, 101, 152 and 200 layers, of any width.

Version 1.5 puts the stride of a bottleneck on its 3x3 convolution, as
torchvision and the official SupCon code do. An encoder maps float32 RGB images
in [0, 1] to representations and contains its own normalisation.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import layers

from supcon_tf.encoders.normalization import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    check_normalization,
    normalized,
)
from supcon_tf.encoders.variants import variant_of

STEMS = ("imagenet", "small_image")

# The values of the official SupCon and SimCLR code.
_BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}
# The initialisation of He et al. 2015 over the outputs, which torchvision's
# ResNets have.
_KERNEL_INITIALIZER = {
    "class_name": "VarianceScaling",
    "config": {
        "scale": 2.0,
        "mode": "fan_out",
        "distribution": "untruncated_normal",
    },
}


def resnet(
    input_shape: tuple[int | None, int | None, int],
    depths: Sequence[int],
    *,
    bottleneck: bool,
    width: float = 1.0,
    stem: Literal["imagenet", "small_image"] = "imagenet",
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    sync_batch_norm: bool = False,
    zero_gamma: bool = True,
    name: str | None = None,
) -> keras.Model:
    """Makes a ResNet v1.5 from images to pooled representations.

    Args:
      input_shape: `(height, width, 3)` of the images. Height and width may be
        None.
      depths: four ints, the number of blocks in each group.
      bottleneck: whether a block has a 1x1, a 3x3 and a 1x1 convolution, the
        last with 4 times the filters, rather than two 3x3 convolutions.
      width: float >= 1/64. It multiplies all numbers of filters, of which the
        first is 64.
      stem: `"imagenet"`, a 7x7 convolution of stride 2 and max pooling, or
        `"small_image"`, a 3x3 convolution of stride 1 for images of about
        32 pixels.
      mean: three floats, the RGB mean of the training images, in [0, 1].
      std: three positive floats, their standard deviation.
      sync_batch_norm: whether BatchNormalization takes its statistics over the
        global batch of all replicas.
      zero_gamma: whether the last BatchNormalization of each block starts with
        gamma 0, so that the block starts as its shortcut. This helps a long
        training with a large learning rate. A short training learns faster
        without it.
      name: name of the model.

    Returns:
      A `keras.Model`: float32 RGB images `[B, height, width, 3]` in [0, 1] ->
      representations `[B, R]`, where R = 512 * width or, with bottlenecks,
      2048 * width. Divide
      uint8 by 255 yourself: Keras casts integers to float32 before the first
      layer, which cannot tell them from floats.

    Raises:
      ValueError: if an argument is out of its range.

    Example:
      >>> encoder = resnet18((32, 32, 3), width=0.25, stem="small_image")
      >>> encoder.output_shape
      (None, 128)

    References:
      He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
      The last gamma that starts at zero is from Goyal et al. 2017, arXiv
      1706.02677.
    """
    _check(input_shape, width, stem, mean, std)
    conv = functools.partial(
        layers.Conv2D,
        use_bias=False,
        kernel_initializer=_KERNEL_INITIALIZER,
    )
    batch_norm = functools.partial(
        layers.BatchNormalization, synchronized=sync_batch_norm, **_BATCH_NORM
    )
    last_batch_norm = functools.partial(
        batch_norm, gamma_initializer="zeros" if zero_gamma else "ones"
    )
    block = _bottleneck_block if bottleneck else _basic_block
    filters = [int(64 * 2**group * width) for group in range(4)]

    images = keras.Input(input_shape, name="images")
    x = normalized(images, mean, std)
    if stem == "imagenet":
        x = _padded_conv(conv, x, filters[0], 7, 2, "stem_conv")
        x = batch_norm(name="stem_bn")(x)
        x = layers.ReLU(name="stem_relu")(x)
        # Zeros pad like -inf, since nothing is below 0 after the ReLU.
        x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
        x = layers.MaxPooling2D(3, 2, name="stem_pool")(x)
    else:
        x = conv(filters[0], 3, padding="same", name="stem_conv")(x)
        x = batch_norm(name="stem_bn")(x)
        x = layers.ReLU(name="stem_relu")(x)
    for group, depth in enumerate(depths):
        for index in range(depth):
            stride = 2 if group > 0 and index == 0 else 1
            x = block(
                conv,
                batch_norm,
                last_batch_norm,
                x,
                filters[group],
                stride,
                f"group{group + 1}_block{index + 1}",
            )
    x = layers.GlobalAveragePooling2D(name="representation", dtype="float32")(x)
    return keras.Model(images, x, name=name)


@variant_of(resnet)
def resnet18(
    input_shape: tuple[int | None, int | None, int], **options: Any
) -> keras.Model:
    """Makes a ResNet-18 of 11.2 M parameters.

    Args:
      input_shape: as in `resnet`.
      **options: as in `resnet`.

    Returns:
      A `keras.Model`, images -> representations `[B, 512 * width]`.
    """
    return resnet(
        input_shape,
        (2, 2, 2, 2),
        bottleneck=False,
        **{"name": "resnet18", **options},
    )


@variant_of(resnet)
def resnet34(
    input_shape: tuple[int | None, int | None, int], **options: Any
) -> keras.Model:
    """Makes a ResNet-34 of 21.3 M parameters.

    Args:
      input_shape: as in `resnet`.
      **options: as in `resnet`.

    Returns:
      A `keras.Model`, images -> representations `[B, 512 * width]`.
    """
    return resnet(
        input_shape,
        (3, 4, 6, 3),
        bottleneck=False,
        **{"name": "resnet34", **options},
    )


@variant_of(resnet)
def resnet50(
    input_shape: tuple[int | None, int | None, int], **options: Any
) -> keras.Model:
    """Makes a ResNet-50 of 23.5 M parameters.

    Args:
      input_shape: as in `resnet`.
      **options: as in `resnet`.

    Returns:
      A `keras.Model`, images -> representations `[B, 2048 * width]`.
    """
    return resnet(
        input_shape,
        (3, 4, 6, 3),
        bottleneck=True,
        **{"name": "resnet50", **options},
    )


@variant_of(resnet)
def resnet101(
    input_shape: tuple[int | None, int | None, int], **options: Any
) -> keras.Model:
    """Makes a ResNet-101 of 42.5 M parameters.

    Args:
      input_shape: as in `resnet`.
      **options: as in `resnet`.

    Returns:
      A `keras.Model`, images -> representations `[B, 2048 * width]`.
    """
    return resnet(
        input_shape,
        (3, 4, 23, 3),
        bottleneck=True,
        **{"name": "resnet101", **options},
    )


@variant_of(resnet)
def resnet152(
    input_shape: tuple[int | None, int | None, int], **options: Any
) -> keras.Model:
    """Makes a ResNet-152 of 58.1 M parameters.

    Args:
      input_shape: as in `resnet`.
      **options: as in `resnet`.

    Returns:
      A `keras.Model`, images -> representations `[B, 2048 * width]`.
    """
    return resnet(
        input_shape,
        (3, 8, 36, 3),
        bottleneck=True,
        **{"name": "resnet152", **options},
    )


@variant_of(resnet)
def resnet200(
    input_shape: tuple[int | None, int | None, int], **options: Any
) -> keras.Model:
    """Makes a ResNet-200 of 62.6 M parameters.

    Args:
      input_shape: as in `resnet`.
      **options: as in `resnet`.

    Returns:
      A `keras.Model`, images -> representations `[B, 2048 * width]`.
    """
    return resnet(
        input_shape,
        (3, 24, 36, 3),
        bottleneck=True,
        **{"name": "resnet200", **options},
    )


def _basic_block(conv, batch_norm, last_batch_norm, x, filters, stride, name):
    shortcut = _shortcut(conv, batch_norm, x, filters, stride, name)
    x = _padded_conv(conv, x, filters, 3, stride, f"{name}_conv1")
    x = batch_norm(name=f"{name}_bn1")(x)
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = conv(filters, 3, padding="same", name=f"{name}_conv2")(x)
    x = last_batch_norm(name=f"{name}_bn2")(x)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_out")(x)


def _bottleneck_block(
    conv, batch_norm, last_batch_norm, x, filters, stride, name
):
    shortcut = _shortcut(conv, batch_norm, x, 4 * filters, stride, name)
    x = conv(filters, 1, name=f"{name}_conv1")(x)
    x = batch_norm(name=f"{name}_bn1")(x)
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = _padded_conv(conv, x, filters, 3, stride, f"{name}_conv2")
    x = batch_norm(name=f"{name}_bn2")(x)
    x = layers.ReLU(name=f"{name}_relu2")(x)
    x = conv(4 * filters, 1, name=f"{name}_conv3")(x)
    x = last_batch_norm(name=f"{name}_bn3")(x)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_out")(x)


def _shortcut(conv, batch_norm, x, filters, stride, name):
    if stride == 1 and x.shape[-1] == filters:
        return x
    x = conv(filters, 1, strides=stride, name=f"{name}_shortcut_conv")(x)
    return batch_norm(name=f"{name}_shortcut_bn")(x)


def _padded_conv(conv, x, filters, size, stride, name):
    """A convolution whose padding does not depend on the image size."""
    if stride == 1:
        return conv(filters, size, padding="same", name=name)(x)
    x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    return conv(filters, size, strides=stride, name=name)(x)


def _check(input_shape, width, stem, mean, std):
    if len(input_shape) != 3 or input_shape[-1] != 3:
        raise ValueError(
            "`input_shape` must be (height, width, 3). "
            f"Received: input_shape={tuple(input_shape)}"
        )
    if not 1 <= 64 * width < math.inf:
        raise ValueError(
            "`width` must be finite and at least 1/64, one filter. "
            f"Received: width={width}"
        )
    if stem not in STEMS:
        raise ValueError(
            f"`stem` must be one of {list(STEMS)}. Received: stem={stem!r}"
        )
    check_normalization(mean, std)
