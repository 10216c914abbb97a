"""Loads any trained encoder at its own image size, for an evaluation."""

import pathlib

from supcon_tf.encoders.initial import (
    FORMS,
    initial_encoder,
)
from supcon_tf.encoders.pretrained import PRETRAINED, unpacked
from supcon_tf.encoders.saved import load_encoder, load_keras_file
from supcon_tf.frameworks.backends import tf

# The image size for an encoder that takes any size, which is CIFAR's.
ANY_SIZE = 32


def frozen_encoder(where, *, image_size=None, safe_mode=True, name="encoder"):
    """Loads an encoder as `initial_encoder` does, but not trainable.

    Returns it and the (height, width) of its images, by default its own. They
    are 32 pixels if it takes any size, or if it is a URL or a KerasCV preset,
    which are not looked into beforehand.
    """
    if not where:
        raise ValueError(
            f"`{name}` must be {FORMS}. Received: {name}={where!r}"
        )
    size = (image_size or ANY_SIZE,) * 2
    if image_size is None:
        size = own_image_size(where, safe_mode) or size
    encoder = initial_encoder(
        where,
        (*size, 3),
        safe_mode=safe_mode,
        name=name,
        is_image_size=True,
    )
    encoder.trainable = False
    return encoder, size


def own_image_size(where, safe_mode=True):
    """Tells the size of the images that an encoder was made for.

    Args:
      where: as in `initial_encoder`.
      safe_mode: as in `initial_encoder`.

    Returns:
      (height, width). None if any size fits, or if it is a URL or a KerasCV
      preset, which are not looked into beforehand.

    Example:
      >>> own_image_size("supcon_tf:cifar10_resnet18_w025")
      (32, 32)
    """
    where = str(where)
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
    """The shape of the images in a SavedModel's default signature, or ()."""
    from tensorflow.core.protobuf import saved_model_pb2

    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString((folder / "saved_model.pb").read_bytes())
        signatures = saved_model.meta_graphs[0].signature_def
        (images,) = signatures["serving_default"].inputs.values()
    except Exception:  # It is damaged or of another form. Its loader says so.
        return ()
    return tuple(tf.TensorShape(images.tensor_shape).as_list())
