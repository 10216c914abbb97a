"""Turns KerasHub's image backbones and their presets into encoders."""

import os
from typing import Any, Literal

import keras
from keras import layers

from supcon_tf.encoders.from_keras import linear_preprocessing, pooled_encoder
from supcon_tf.frameworks.extras import check_extra

POOLINGS = ("avg", "token")


def from_keras_hub(
    backbone: Any,
    *,
    image_converter: Any = None,
    input_shape: tuple[int, int, int] | None = None,
    pooling: Literal["avg", "token"] = "avg",
    name: str | None = None,
) -> keras.Model:
    """Turns a KerasHub backbone, or a preset with its scaling, into an encoder.

    The encoder takes images in [0, 1], as all encoders do, and scales them as
    the preset's `ImageConverter` does. The resizing of that converter is left
    out: views and photographs are brought to size before.

    The encoder shares the backbone's weights, so training one trains both. A
    saved encoder needs KerasHub to be loaded only if the backbone has layers of
    KerasHub's own, as ViT, DINOv2 and others have; ResNet and EfficientNet have
    none.

    Args:
      backbone: a preset, whose weights and scaling are loaded: a name such as
        `"dinov2_small"`, a handle such as `"kaggle://..."` or `"hf://..."`, or
        the path of a folder. Or a `keras_hub.models.Backbone` of images, whose
        scaling `image_converter` tells.
      image_converter: `keras_hub.layers.ImageConverter` of a backbone that is
        given as such, `ImageConverter.from_preset(PRESET)`. For a backbone that
        takes images in [0, 1], it is `ImageConverter(scale=1 / 255)`. A preset
        has its own, and then this is None.
      input_shape: `(height, width, 3)` of the images, by default the
        backbone's. The positions of a DINOv2 preset are interpolated to it.
      pooling: what becomes the representation. `"avg"` is the average of the
        last map over height and width, or of the tokens of all patches.
        `"token"` is the class token, for a backbone that has one.
      name: name of the encoder, by default the backbone's.

    Returns:
      A `keras.Model`: float32 RGB images `[B, height, width, 3]` in [0, 1] ->
      float32 representations `[B, R]`.

    Raises:
      ValueError: if KerasHub is not installed, the preset cannot be had, the
        backbone is not one of images, or an argument is out of its range.

    Example:
      >>> import keras_hub
      >>> backbone = keras_hub.models.ViTBackbone(
      ...     image_shape=(32, 32, 3), patch_size=8, num_layers=2,
      ...     num_heads=2, hidden_dim=16, mlp_dim=32,
      ... )
      >>> converter = keras_hub.layers.ImageConverter(
      ...     scale=1 / 255
      ... )
      >>> from_keras_hub(
      ...     backbone, image_converter=converter, pooling="token"
      ... ).output_shape
      (None, 16)

    Reference:
      https://keras.io/keras_hub/presets/
    """
    if pooling not in POOLINGS:
        raise ValueError(
            f"`pooling` must be one of {list(POOLINGS)}. "
            f"Received: pooling={pooling!r}"
        )
    if isinstance(backbone, (str, os.PathLike)):
        if image_converter is not None:
            raise ValueError(
                "`image_converter` must be None with a preset, which has its "
                f"own. Received: image_converter={image_converter!r}"
            )
        backbone, image_converter = _loaded(str(backbone), input_shape)
    order, scale, offset = linear_preprocessing(
        _scaling_of(backbone, image_converter)
    )
    return pooled_encoder(
        _pooled(backbone, pooling),
        order=order,
        scale=scale,
        offset=offset,
        input_shape=input_shape,
        name=name or backbone.name,
    )


def keras_hub_preset(
    preset: str, input_shape: tuple[int, int, int] | None = None
) -> keras.Model:
    """The encoder of a KerasHub preset, with its weights.

    Args:
      preset: name, handle or folder, as in `from_keras_hub`.
      input_shape: as in `from_keras_hub`.

    Returns:
      The `keras.Model` of `from_keras_hub`. The representation is the class
      token of a backbone that has one, and the average of the last map or of
      all tokens of any other.

    Raises:
      ValueError: as `from_keras_hub`.
    """
    backbone, converter = _loaded(preset, input_shape)
    return from_keras_hub(
        backbone,
        image_converter=converter,
        input_shape=input_shape,
        pooling="token" if _tokens_before_patches(backbone) else "avg",
    )


def not_there(library: str, preset: str, what: str, error: Exception):
    """The error that tells why a preset cannot be had, in one line.

    Args:
      library: such as `"KerasCV"`.
      preset: with the kind before it, such as `"keras_cv:resnet50"`.
      what: what of the preset is needed, such as `" and its weights"`, or "".
      error: what was raised on the way.

    Returns:
      A ValueError.
    """
    reason = str(_innermost(error)).strip().split("\n")[0]
    return ValueError(
        f"The {library} preset{what} must be there: in the cache of kagglehub, "
        f"or to be downloaded. Received: {preset}, {type(error).__name__}: "
        f"{reason}"
    )


def _innermost(error):
    """The system's own error behind a failed download, which is short.

    requests and urllib3 add hosts, pools and tries to its message.
    """
    is_download = isinstance(error, OSError)
    while is_download and (cause := error.__cause__ or error.__context__):
        error = cause
    return error


def _loaded(preset, input_shape):
    """A preset's backbone with its weights, and its converter."""
    check_extra("keras_hub", f"keras_hub:{preset}")
    # Imported here, since it takes seconds.
    from keras_hub import layers as hub_layers
    from keras_hub import models

    try:
        backbone = models.Backbone.from_preset(preset)
        if _is_resized(backbone, input_shape):
            shape = tuple(input_shape)
            backbone = models.Backbone.from_preset(preset, image_shape=shape)
        converter = hub_layers.ImageConverter.from_preset(preset)
    except Exception as error:  # its clients, requests, json, h5py raise
        raise not_there(
            "KerasHub", f"keras_hub:{preset}", " of images", error
        ) from error
    return backbone, converter


def _is_resized(backbone, input_shape):
    """Whether it takes another size only if it is made for it, as DINOv2."""
    return (
        input_shape is not None
        and hasattr(backbone, "position_embedding_shape")
        and tuple(input_shape) != tuple(backbone.image_shape)
    )


def _scaling_of(backbone, image_converter):
    """Returns the converter without its resizing, for images in [0, 255]."""
    if image_converter is None:
        raise ValueError(
            "`image_converter` must be given with a backbone, which does not "
            "know its scaling: ImageConverter.from_preset(PRESET) of "
            "keras_hub.layers, or ImageConverter(scale=1 / 255) for images in "
            f"[0, 1]. Received: image_converter=None, backbone={backbone!r}"
        )
    config = {**image_converter.get_config(), "image_size": None}
    return type(image_converter).from_config(config)


def _pooled(backbone, pooling):
    """A model of one tensor of images -> maps, or `[B, R]` of tokens."""
    inputs = getattr(backbone, "inputs", ())
    if len(inputs) != 1 or len(getattr(backbone, "outputs", ())) != 1:
        raise ValueError(
            "`backbone` must be a KerasHub backbone of images alone, with one "
            f"output. Received: backbone={backbone!r}"
        )
    rank = len(backbone.outputs[0].shape)
    before = _tokens_before_patches(backbone)
    if pooling == "token" and not before:
        raise ValueError(
            "`pooling` must be 'avg' with a backbone that has no class token. "
            f"Received: pooling='token', backbone={backbone.name!r}"
        )
    if rank != 3:
        return backbone
    images = keras.Input(inputs[0].shape[1:], name="images")
    # Some are made with a dict of one input, and are called so.
    named = isinstance(backbone.input, dict)
    x = backbone({key: images for key in backbone.input} if named else images)
    count = x.shape[1]  # [B, T, R]
    if pooling == "token":
        x = layers.Cropping1D((0, count - 1), name="class_token")(x)
    elif before:
        x = layers.Cropping1D((before, 0), name="patches")(x)
    x = layers.GlobalAveragePooling1D(name="pooled", dtype="float32")(x)
    return keras.Model(images, x, name=backbone.name)


def _tokens_before_patches(backbone):
    """The number of tokens (class, registers) before those of the patches."""
    outputs = getattr(backbone, "outputs", None) or [None]
    patch = getattr(backbone, "patch_size", None)
    shape = getattr(outputs[0], "shape", ())
    if len(shape) != 3 or patch is None or shape[1] is None:
        return 0
    height, width = (patch, patch) if isinstance(patch, int) else patch
    _, *sides, _ = backbone.inputs[0].shape
    patches = (sides[0] // height) * (sides[1] // width)
    return max(shape[1] - patches, 0)
