"""Turns KerasCV's backbones and its pretrained presets into encoders.

KerasCV is at its end: from_keras_hub.py is what takes its place.
"""

import pathlib
from collections.abc import Sequence
from typing import Any, Literal

import keras

from supcon_tf.encoders.from_keras import pooled_encoder
from supcon_tf.encoders.from_keras_hub import not_there
from supcon_tf.encoders.normalization import check_normalization
from supcon_tf.frameworks.extras import check_extra


def from_keras_cv(
    backbone: Any,
    *,
    input_shape: tuple[int, int, int] | None = None,
    pooling: Literal["avg", "max"] = "avg",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    name: str | None = None,
) -> keras.Model:
    """Turns a KerasCV backbone into an encoder.

    KerasCV had its last release in April 2024; KerasHub, with `from_keras_hub`,
    has taken its place.

    A backbone made with `include_rescaling=True` takes images in [0, 255], as
    those with pretrained weights do. Any other takes images in [0, 1]. The
    encoder takes images in [0, 1] in either case.

    The encoder shares the backbone's weights, so training one trains both. A
    saved encoder needs KerasCV to be loaded only if the backbone has layers of
    KerasCV's own, as MobileNetV3, CSPDarkNet, ViTDet and others have.

    Args:
      backbone: `keras_cv.models.Backbone` of images, such as
        `keras_cv.models.ResNetBackbone(...)`.
      input_shape: `(height, width, 3)` of the images, by default the
        backbone's.
      pooling: `"avg"` or `"max"`, how the last map is pooled over height and
        width.
      mean: three floats, the RGB mean of the training images, in [0, 1]. It is
        for a backbone without rescaling, since few of these normalise by
        themselves. None does not normalise.
      std: three positive floats, the standard deviation that goes with `mean`.
      name: name of the encoder, by default the backbone's.

    Returns:
      A `keras.Model`: float32 RGB images `[B, height, width, 3]` in [0, 1] ->
      float32 representations `[B, R]`.

    Raises:
      ValueError: if the backbone is not one of images, or an argument is out of
        its range.

    Example:
      >>> import keras_cv
      >>> backbone = keras_cv.models.ResNetBackbone(
      ...     stackwise_filters=[8, 16], stackwise_blocks=[1, 1],
      ...     stackwise_strides=[1, 2], include_rescaling=False,
      ... )
      >>> from_keras_cv(backbone, input_shape=(64, 64, 3)).output_shape
      (None, 64)
    """
    rescales = getattr(backbone, "include_rescaling", None)
    if rescales is None:
        raise ValueError(
            "`backbone` must be a KerasCV backbone of images, with "
            f"include_rescaling. Received: backbone={backbone!r}"
        )
    scale, offset = [255.0 if rescales else 1.0] * 3, [0.0] * 3
    if mean is not None or std is not None:
        if rescales or mean is None or std is None:
            raise ValueError(
                "`mean` and `std` must be given together, and only for a "
                "backbone made with include_rescaling=False. Received: "
                f"mean={mean}, std={std}, include_rescaling={rescales}"
            )
        check_normalization(mean, std)
        scale = [1 / s for s in std]
        offset = [-m / s for m, s in zip(mean, std, strict=True)]
    return pooled_encoder(
        backbone,
        scale=scale,
        offset=offset,
        input_shape=input_shape,
        pooling=pooling,
        name=name,
    )


def keras_cv_preset(name, input_shape, *, pretrained=False):
    """The encoder of a KerasCV preset, with its weights if it has any.

    `name` is a preset such as `"resnet50_imagenet"`, a `"kaggle://..."` handle,
    which is downloaded once into the cache of kagglehub, or a folder. With
    `pretrained`, a preset without weights is refused.
    """
    check_extra("keras_cv", f"keras_cv:{name}")
    # Imported here, since it takes seconds.
    from keras_cv import models

    cls = _preset_class(models, name)
    try:
        backbone = cls.from_preset(
            name, load_weights=True if pretrained else None
        )
    except Exception as error:  # Kaggle's client, requests, json, h5py raise
        weights = " and its weights" if pretrained else ""
        raise not_there(
            "KerasCV", f"keras_cv:{name}", weights, error
        ) from error
    return from_keras_cv(backbone, input_shape=input_shape)


def _preset_class(models, name):
    """The class of backbones that has the preset."""
    classes = [
        cls
        for cls in vars(models).values()
        if isinstance(cls, type) and issubclass(cls, models.Backbone)
    ]
    # The base class knows no preset by name, only handles and folders.
    for cls in classes:
        if name in cls.presets:
            return cls
    if "://" not in name and not pathlib.Path(name).is_dir():
        known = {name for cls in classes for name in cls.presets_with_weights}
        raise ValueError(
            "The KerasCV preset must be a folder, kaggle://... or, of those "
            f"with weights, one of {sorted(known)}. Received: keras_cv:{name}"
        )
    return models.Backbone
