"""The ImageNet-trained networks of keras.applications as encoders."""

import difflib
import inspect
import pathlib

import keras

from supcon_tf.encoders.from_keras import from_keras


def application_names():
    """The names of the networks, such as "EfficientNetB0", sorted."""
    return sorted(
        name
        for name, value in vars(keras.applications).items()
        if name[0].isupper() and callable(value)
    )


def keras_application(name, input_shape, *, weights="imagenet"):
    """An encoder from keras.applications, without its classifier.

    Args:
      name: a function of `keras.applications`, such as `"EfficientNetB0"`.
      input_shape: `(height, width, 3)` of the images. The networks need 32 to
        75 pixels or more.
      weights: `"imagenet"`, which Keras downloads once into ~/.keras/models;
        the path of a file with weights of the network without its classifier
        (include_top=False); or None for random weights.

    Returns:
      A `keras.Model`: float32 RGB images `[B, height, width, 3]` in [0, 1] ->
      float32 representations `[B, R]`, averages of the last map. It scales the
      images as the network expects.

    Raises:
      ValueError: if there is no such network or no such weights, or the images
        are too small.

    Example:
      >>> encoder = keras_application(
      ...     "MobileNetV2", (64, 64, 3), weights=None
      ... )
      >>> encoder.output_shape
      (None, 1280)
    """
    names = application_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, 3, 0.4) or names
        raise ValueError(
            "`keras:NAME` must be a network of keras.applications, such as "
            f"{', '.join(near)}. Received: keras:{name}"
        )
    make = getattr(keras.applications, name)
    if weights not in (None, "imagenet"):
        path = pathlib.Path(weights).expanduser()
        if not path.is_file():
            raise ValueError(
                f"The weights of keras:{name} must be in a file. "
                f"Received: {path}, which is none"
            )
        weights = str(path)
    try:
        # With any height and width, so that the weights are those of 224.
        model = make(
            include_top=False,
            weights=weights,
            input_shape=_shape_for(name, input_shape),
        )
    except Exception as error:  # Keras raises a plain Exception if offline
        raise ValueError(_reason(name, weights, input_shape, error)) from error
    # The module that defines the network has its preprocessing.
    preprocess = inspect.getmodule(make).preprocess_input
    return from_keras(model, preprocess, input_shape=tuple(input_shape))


def _shape_for(name, input_shape):
    """The shape to build with; NASNet's ImageNet weights have one size."""
    if name == "NASNetLarge":
        return (331, 331, 3)
    return (224, 224, 3) if name == "NASNetMobile" else tuple(input_shape)


def _reason(name, weights, input_shape, error):
    """One line of what is wrong, and the way out."""
    text = " ".join(str(error).split())
    if "fetch failure" in text.lower():
        url = next((word for word in text.split() if "://" in word), "")
        url = url.rstrip(":")
        file = url.rpartition("/")[2]
        return (
            f"The weights of keras:{name} must be there or to be downloaded. "
            f"Without a network, put {file} from {url} into ~/.keras/models, "
            f"give keras:{name}:PATH of that file, or start from "
            "supcon_tf:cifar10_resnet18_w025, which needs nothing. Received: "
            "no connection"
        )
    what = "random weights" if weights is None else weights
    return (
        f"keras:{name} must take images of {tuple(input_shape)} and the "
        f"weights that it is given. Received: {what}; Keras says: {text[:300]}"
    )
