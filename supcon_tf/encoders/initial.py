"""Loads an encoder that has been trained before, to train it further."""

import pathlib

import keras

from supcon_tf.encoders.from_keras import ImageSizeError, check_image_shape
from supcon_tf.encoders.from_keras_cv import keras_cv_preset
from supcon_tf.encoders.from_keras_hub import keras_hub_preset
from supcon_tf.encoders.hub_encoder import (
    HubEncoder,
    HubModel,
    pretrained_layer,
)
from supcon_tf.encoders.keras_applications import keras_application
from supcon_tf.encoders.pretrained import PRETRAINED
from supcon_tf.encoders.saved import load_encoder, load_keras_file

FORMS = (
    "a .keras file, the workdir of a run, the folder, .tar.gz archive or URL "
    "of a Reusable SavedModel, supcon_tf:NAME, keras:NAME, keras_hub:PRESET or "
    "keras_cv:PRESET"
)


def initial_encoder(
    where,
    input_shape,
    *,
    safe_mode=True,
    name="initial_encoder",
    is_image_size=False,
):
    """Loads an encoder with its weights, all of which can be trained.

    Layers that were frozen, for instance for a linear probe, are trained again.

    Args:
      where: one of

          PATH.keras          a Keras model, such as a run's encoder.keras
          WORKDIR             a folder that `pretrain` wrote
          FOLDER, .tar.gz     a Reusable SavedModel, as in `HubEncoder`
          or URL
          supcon_tf:NAME      a pretrained encoder, as in `load_pretrained`
          keras:NAME          a network of keras.applications with its ImageNet
                              weights, as in `keras_application`; or
                              keras:NAME:PATH with those of a file
          keras_hub:PRESET    a KerasHub preset with its weights, as in
                              `keras_hub_preset`
          keras_cv:PRESET     a KerasCV preset with weights, as in
                              `keras_cv_preset`
      input_shape: `(height, width, 3)` of the images.
      safe_mode: whether a .keras file that holds code, such as that of a
        `HubEncoder`, is refused. A SavedModel is never refused: whoever names
        it trusts it.
      name: the name that errors give to `where`.
      is_image_size: whether errors speak of the `image_size` of square images
        rather than of `input_shape`.

    Returns:
      A `keras.Model`: float32 RGB images `[B, height, width, 3]` in [0, 1] ->
      representations `[B, R]`. It can be saved as a .keras file.

    Raises:
      ValueError: if there is no such encoder, it is damaged or refused, takes
        other images or does not return features.

    Example:
      >>> encoder.save("encoder.keras")
      >>> initial_encoder("encoder.keras", (32, 32, 3)).output_shape
      (None, 8)
    """
    where = str(where)
    try:
        encoder = _found(where, input_shape, safe_mode, name)
        _check(encoder, where, input_shape, name)
    except ImageSizeError as error:
        raise ImageSizeError(error.own, error.given, is_image_size) from error
    # Set twice, since Keras hands a flag on to the inner layers only when it
    # changes.
    encoder.trainable = False
    encoder.trainable = True
    return encoder


def _found(where, input_shape, safe_mode, name):
    """The encoder at `where`, whose shapes are not yet checked."""
    kind, _, preset = where.partition(":")
    path = pathlib.Path(where).expanduser()
    if kind == "supcon_tf" and preset not in PRETRAINED:
        raise ValueError(
            f"`{name}` must be supcon_tf: and one of "
            f"{sorted(PRETRAINED)}. Received: {name}={where!r}"
        )
    if kind == "keras":
        network, _, file = preset.partition(":")
        return keras_application(
            network, input_shape, weights=file or "imagenet"
        )
    if kind == "keras_hub":
        return keras_hub_preset(preset, input_shape)
    if kind == "keras_cv":
        return keras_cv_preset(preset, input_shape, pretrained=True)
    if (
        kind == "supcon_tf"
        or "://" in where
        or (path / "saved_model.pb").is_file()
        or (path.name.endswith(".tar.gz") and path.is_file())
    ):
        return _of_saved_model(where, input_shape, name)
    if path.suffix == ".keras" and path.is_file():
        return load_keras_file(path, safe_mode=safe_mode)
    if (path / "encoder.keras").is_file():
        return load_encoder(path, safe_mode=safe_mode)
    raise ValueError(
        f"`{name}` must be {FORMS}. Received: {name}={where!r}, which is none"
    )


def _of_saved_model(handle, input_shape, name):
    """A functional model around the SavedModel's layer."""
    kind, _, preset = handle.partition(":")
    if kind == "supcon_tf":
        layer = pretrained_layer(preset, trainable=True, argument=name)
    else:
        layer = HubEncoder(
            handle, trainable=True, name="hub_encoder", argument=name
        )
    images = keras.Input(input_shape, name="images")
    try:
        features = layer(images)
    except Exception as error:  # TensorFlow's has several lines
        raise ValueError(
            f"`{name}` must be a SavedModel that takes float32 images of this "
            f"size. Received: {name}={handle!r}, images of "
            f"{tuple(input_shape)}"
        ) from error
    return HubModel(images, features, name="encoder")


def _check(encoder, where, input_shape, name):
    """Refuses a model that does not map images of that size to features."""
    inputs = getattr(encoder, "input_shape", None)
    outputs = getattr(encoder, "output_shape", None)
    if (
        not isinstance(inputs, tuple)
        or not isinstance(outputs, tuple)
        or len(inputs) != 4
        or len(outputs) != 2
        or outputs[-1] is None
    ):
        raise ValueError(
            f"`{name}` must take images [B, height, width, 3] and return "
            f"features [B, R], R known. Received: {name}={where!r}, from "
            f"{inputs} to {outputs}"
        )
    check_image_shape(inputs, input_shape)
