"""Any trained encoder, at its own image size, to be evaluated."""

import pathlib

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from supcon_tf.encoders.initial import (
    FORMS,
    initial_encoder,
    renamed,
    with_image_size,
)
from supcon_tf.encoders.pretrained import PRETRAINED, unpacked
from supcon_tf.encoders.saved import load_encoder, load_keras_file

ANY_SIZE = 32  # of an encoder that takes images of any size: CIFAR's


def frozen_encoder(where, *, image_size=None, safe_mode=True, name="encoder"):
    """A trained encoder and the size of its images.

    Args:
      where: as for `initial_encoder`.
      image_size: int, height and width of the images. None: the encoder's own;
        32 pixels where it takes any size, or at a URL, which is not looked
        into beforehand.
      safe_mode: as for `initial_encoder`.
      name: of the argument, for the errors.

    Returns:
      A `keras.Model`, float32 RGB images in [0, 1] -> `[B, R]`, not trainable;
      and the (height, width) of the images.

    Raises:
      ValueError: if there is no such encoder, it is damaged or refused, or
        takes images of another size.

    Example:
      >>> encoder, size = frozen_encoder("supcon_tf:cifar10_resnet18_w025")
      >>> size
      (32, 32)
    """
    if not where:
        raise ValueError(
            f"`{name}` must be {FORMS}. Received: {name}={where!r}"
        )
    size = (image_size or ANY_SIZE,) * 2
    try:
        if image_size is None:
            size = _own_size(str(where), safe_mode) or size
        encoder = initial_encoder(where, (*size, 3), safe_mode=safe_mode)
    except ValueError as error:
        names = {
            "`initial_encoder`": f"`{name}`",
            "initial_encoder=": f"{name}=",
        }
        message = with_image_size(renamed(str(error), names), size)
        raise ValueError(message) from error
    encoder.trainable = False
    return encoder, size


def _own_size(where, safe_mode):
    """(height, width); None if it takes any or is not known beforehand."""
    kind, _, name = where.partition(":")
    path = pathlib.Path(where).expanduser()
    if kind == "supcon_tf" and name in PRETRAINED:
        return (PRETRAINED[name].image_size,) * 2
    if (path / "saved_model.pb").is_file():
        shape = _input_shape(path)
    elif path.name.endswith(".tar.gz") and path.is_file():
        with unpacked(path) as folder:
            shape = _input_shape(folder)
    elif path.suffix == ".keras" and path.is_file():
        shape = _shape_of(load_keras_file(path, safe_mode=safe_mode))
    elif (path / "encoder.keras").is_file():
        shape = _shape_of(load_encoder(path, safe_mode=safe_mode))
    else:
        return None
    if len(shape) != 4 or None in shape[1:3]:
        return None
    return tuple(shape[1:3])


def _shape_of(model):
    shape = getattr(model, "input_shape", None)
    return shape if isinstance(shape, tuple) else ()


def _input_shape(folder):
    """The shape of the images in a SavedModel's default signature."""
    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString((folder / "saved_model.pb").read_bytes())
        signatures = saved_model.meta_graphs[0].signature_def
        (images,) = signatures["serving_default"].inputs.values()
    except Exception:  # damaged, or of another form: who loads it says so
        return ()
    return tuple(tf.TensorShape(images.tensor_shape).as_list())
