"""KerasCV's backbones as encoders, and its pretrained ones by name."""

import pathlib

from supcon_tf.encoders.from_keras import pooled_encoder
from supcon_tf.encoders.normalization import check_normalization


def from_keras_cv(
    backbone,
    *,
    input_shape=None,
    pooling="avg",
    mean=None,
    std=None,
    name=None,
):
    """A KerasCV backbone as an encoder.

    A backbone made with `include_rescaling=True` takes images in [0, 255],
    another one images in [0, 1]; those with pretrained weights are of the first
    kind. The encoder takes images in [0, 1] in either case.

    The encoder shares the backbone's weights: to train one is to train both.
    Saved, it needs KerasCV to be loaded only if the backbone has layers of
    KerasCV's own (MobileNetV3, CSPDarkNet, ViTDet and others have).

    Args:
      backbone: `keras_cv.models.Backbone` of images, such as
        `keras_cv.models.ResNetBackbone(...)`.
      input_shape: `(height, width, 3)` of the images; by default the
        backbone's.
      pooling: `"avg"` or `"max"`, of the last map over height and width.
      mean: None, or three floats, the RGB mean of the training images, in
        [0, 1], for a backbone without rescaling. (Few normalise by
        themselves.)
      std: with `mean`, three positive floats, their standard deviation.
      name: name of the encoder, by default the backbone's.

    Returns:
      A `keras.Model`: float32 RGB images `[B, height, width, 3]` in [0, 1] ->
      float32 representations `[B, R]`.

    Raises:
      ValueError: if the backbone is none of images, or an argument out of its
        range.

    Example:
      >>> backbone = keras_cv.models.DenseNetBackbone(
      ...     stackwise_num_repeats=[6, 12, 24, 16], include_rescaling=False
      ... )
      >>> encoder = from_keras_cv(backbone, input_shape=(64, 64, 3))
      >>> encoder.output_shape
      (None, 1024)
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

    Args:
      name: of a preset, such as `"resnet50_imagenet"`, the handle of one,
        `"kaggle://..."`, or a folder that holds one. Those of Kaggle are
        downloaded once, into the cache of kagglehub.
      input_shape: `(height, width, 3)` of the images.
      pretrained: whether a preset without weights is refused, rather than made
        with random ones.

    Returns:
      A `keras.Model`, as of `from_keras_cv`.

    Raises:
      ValueError: if there is no such preset, it cannot be downloaded, has no
        weights though they are wanted, or does not take such images.

    Example:
      >>> encoder = keras_cv_preset("resnet50_imagenet", (224, 224, 3))
    """
    # Here: it takes seconds to import.
    from keras_cv import models

    cls = _preset_class(models, name)
    try:
        backbone = cls.from_preset(
            name, load_weights=True if pretrained else None
        )
    except Exception as error:  # of Kaggle's client, requests, json and h5py
        reason = str(_innermost(error)).strip().split("\n")[0]
        raise ValueError(
            f"The KerasCV preset{' and its weights' if pretrained else ''} "
            "must be there: in the cache of kagglehub, or to be downloaded. "
            f"Received: keras_cv:{name}, {type(error).__name__}: {reason}"
        ) from error
    return from_keras_cv(backbone, input_shape=input_shape)


def _innermost(error):
    """Of a failed download the error of the system, in few words.

    (What requests and urllib3 make of it has hosts, pools and tries.)
    """
    is_download = isinstance(error, OSError)
    while is_download and (cause := error.__cause__ or error.__context__):
        error = cause
    return error


def _preset_class(models, name):
    """The class of backbones that has the preset."""
    classes = [
        cls
        for cls in vars(models).values()
        if isinstance(cls, type) and issubclass(cls, models.Backbone)
    ]
    # (The base class knows none by name, only handles and folders.)
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
