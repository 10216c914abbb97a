"""An encoder that has been trained before, to go on from."""

import pathlib

import keras

from supcon_tf.encoders.from_keras import check_image_shape
from supcon_tf.encoders.from_keras_cv import keras_cv_preset
from supcon_tf.encoders.hub_encoder import HubEncoder
from supcon_tf.encoders.pretrained import PRETRAINED
from supcon_tf.encoders.saved import load_encoder, load_keras_file

FORMS = (
    "a .keras file, the workdir of a run, the folder, .tar.gz archive or URL "
    "of a Reusable SavedModel, supcon_tf:NAME or keras_cv:PRESET"
)


def initial_encoder(where, input_shape, *, safe_mode=True):
    """An encoder with weights, all of which can be trained.

    Layers that were frozen, as by a linear probe, no longer are.

    Args:
      where: one of

          PATH.keras          a Keras model, such as a run's encoder.keras
          WORKDIR             a folder that `pretrain` wrote
          FOLDER, .tar.gz     a Reusable SavedModel (`hub.HubEncoder`)
          or URL
          supcon_tf:NAME      a pretrained encoder (`hub.load_pretrained`)
          keras_cv:PRESET     a KerasCV preset with weights
                              (`keras_cv.keras_cv_preset`)
      input_shape: `(height, width, 3)` of the images.
      safe_mode: whether a .keras file that holds code, such as that of a
        `HubEncoder`, is refused. (Naming a SavedModel is trusting it.)

    Returns:
      A `keras.Model`: float32 RGB images `[B, height, width, 3]` in [0, 1] ->
      representations `[B, R]`. It can be saved as a .keras file.

    Raises:
      ValueError: if there is no such encoder, it is damaged or refused, takes
        other images or does not return features.

    Example:
      >>> encoder = initial_encoder("runs/digits", (32, 32, 3))
    """
    where = str(where)
    kind, _, preset = where.partition(":")
    path = pathlib.Path(where).expanduser()
    if kind == "supcon_tf" and preset not in PRETRAINED:
        raise ValueError(
            "`initial_encoder` must be supcon_tf: and one of "
            f"{sorted(PRETRAINED)}. Received: initial_encoder={where!r}"
        )
    if kind == "keras_cv":
        encoder = keras_cv_preset(preset, input_shape, pretrained=True)
    elif (
        kind == "supcon_tf"
        or "://" in where
        or (path / "saved_model.pb").is_file()
        or (path.name.endswith(".tar.gz") and path.is_file())
    ):
        encoder = _of_saved_model(where, input_shape)
    elif path.suffix == ".keras" and path.is_file():
        encoder = load_keras_file(path, safe_mode=safe_mode)
    elif (path / "encoder.keras").is_file():
        encoder = load_encoder(path, safe_mode=safe_mode)
    else:
        raise ValueError(
            f"`initial_encoder` must be {FORMS}. "
            f"Received: initial_encoder={where!r}, which is none"
        )
    _check(encoder, where, input_shape)
    # Twice: a flag that is set to what it is already is not handed on to the
    # layers below.
    encoder.trainable = False
    encoder.trainable = True
    return encoder


def renamed(message, names):
    """An error's message, in the names that its arguments have for the caller.

    Args:
      message: string.
      names: dict of what is replaced to what it is replaced by.

    Returns:
      The message, with all of them replaced.
    """
    for name, other in names.items():
        message = message.replace(name, other)
    return message


def with_image_size(message, size):
    """An error's message for who gives an image size, not an input shape.

    Args:
      message: string.
      size: (height, width), pixels.

    Returns:
      The message, in which `input_shape` is `image_size`.
    """
    names = {
        "`input_shape` must be": "`image_size` must be that of",
        "`input_shape`": "`image_size`",
        f"input_shape={(*size, 3)}": f"image_size={size[0]}",
    }
    return renamed(message, names)


def _of_saved_model(handle, input_shape):
    """A functional model around the SavedModel's layer."""
    try:
        layer = HubEncoder(handle, trainable=True, name="hub_encoder")
    except ValueError as error:
        names = {"`handle`": "`initial_encoder`", "handle=": "initial_encoder="}
        raise ValueError(renamed(str(error), names)) from error
    images = keras.Input(input_shape, name="images")
    try:
        features = layer(images)
    except Exception as error:  # of TensorFlow, of several lines
        raise ValueError(
            "`initial_encoder` must be a SavedModel that takes float32 images "
            f"of `input_shape`. Received: initial_encoder={handle!r}, "
            f"input_shape={tuple(input_shape)}"
        ) from error
    return keras.Model(images, features, name="encoder")


def _check(encoder, where, input_shape):
    """Refuses what is not from images of that size to features."""
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
            "`initial_encoder` must take images [B, height, width, 3] and "
            "return features [B, R], R known. Received: "
            f"initial_encoder={where!r}, from {inputs} to {outputs}"
        )
    check_image_shape(inputs, input_shape)
