"""One check of what an encoder is: images `[B, ...]` -> `[B, R]`."""

import inspect
import os

import keras
import numpy as np

# The modules of Keras 2 and of what wraps it. Keras 3 cannot call its models.
_KERAS_2 = ("tf_keras", "tensorflow_hub", "tensorflow.python")
# A layer that divides by 20 or more is for images in 0 to 255.
_DIVIDES = 1 / 20


def check_encoder(
    encoder, name="encoder", *, has_rows=True, may_classify=False
):
    """Refuses what is no encoder, and says how it becomes one.

    What a model that is not functional returns is known only when it is called:
    `check_representations` looks at that.

    Args:
      encoder: what was given for an encoder.
      name: of the argument.
      has_rows: whether it must return `[B, R]`. With False one tensor of any
        shape will do.
      may_classify: whether it may be a `LinearClassifier`, whose scores are
        wanted.

    Raises:
      ValueError: if it is no Keras 3 model or layer from one tensor `[B, ...]`
        to one `[B, R]`.

    Example:
      >>> check_encoder(keras.applications.MobileNetV2(
      ...     (32, 32, 3), include_top=False, weights=None))
      Traceback (most recent call last):
        ...
      ValueError: `encoder` must return representations [B, R]: ...
    """
    found = _what_else(encoder)
    if not found and not may_classify and hasattr(encoder, "class_names"):
        found = (
            f"a {type(encoder).__name__}, whose encoder is classifier.encoder"
        )
    if found:
        raise ValueError(
            f"`{name}` must be a Keras 3 model or layer, from images [B, ...] "
            f"to representations [B, R]. Received: {found}"
        )
    if len(getattr(encoder, "inputs", None) or ()) > 1:
        raise ValueError(
            f"`{name}` must take one tensor of images [B, ...]. Received: "
            f"{len(encoder.inputs)} inputs of shapes "
            f"{[tuple(x.shape) for x in encoder.inputs]}"
        )
    if getattr(encoder, "outputs", None):  # it is functional
        # A Sequential has no `output` before it is called.
        output = getattr(encoder, "output", encoder.outputs[0])
        if has_rows or not hasattr(output, "shape"):
            check_representations(output, name)


def check_representations(representations, name="encoder"):
    """Refuses outputs of an encoder that are not one tensor `[B, R]`.

    Args:
      representations: what the encoder returned, arrays or `KerasTensor`s.
      name: of the argument that the encoder was.

    Raises:
      ValueError: if they are anything else, with a way to mend it.
    """
    shape = getattr(representations, "shape", None)
    if shape is not None and len(shape) == 2:
        return
    if shape is None:
        outputs = keras.tree.map_structure(
            lambda x: tuple(getattr(x, "shape", ())), representations
        )
        how = (
            "keras.Model(encoder.inputs, ONE_OF_ITS_OUTPUTS) takes one, and "
            "supcon_tf.HubEncoder that of a SavedModel"
        )
        received = f"{type(representations).__name__} of {outputs}"
    else:
        received = f"outputs of shape {tuple(shape)}"
        how = (
            'pooling="avg" of keras.applications, a '
            "GlobalAveragePooling layer, or encoders.from_keras(model) makes "
            "them of maps"
        )
        if len(shape) < 2:
            how = "one row of R numbers for each image"
    raise ValueError(
        f"`{name}` must return representations [B, R]: {how}. "
        f"Received: {received}"
    )


def refuse_own_scaling(encoder, name="encoder"):
    """Refuses an encoder that would divide images in [0, 1] by 255 again.

    Args:
      encoder: what `check_encoder` has not refused.
      name: of the argument.

    Raises:
      ValueError: if its first layer is such a `Rescaling`, as in EfficientNet.
    """
    layer = _first_layer(encoder)
    if isinstance(layer, keras.layers.Rescaling) and np.all(
        np.abs(layer.scale) < _DIVIDES
    ):
        raise ValueError(
            f"`{name}` must take images in [0, 1]: encoders.from_keras(model) "
            "multiplies them by 255 for a model that divides by it. Received: "
            f"a first layer Rescaling({layer.scale})"
        )


def _first_layer(layer):
    """The layer that gets the images, within models of models."""
    while isinstance(layer, keras.Model):
        inner = [
            x
            for x in layer.layers
            if not isinstance(x, keras.layers.InputLayer)
        ]
        if not inner:
            return layer
        layer = inner[0]
    return layer


def _what_else(encoder):
    """Says what was given in place of a Keras 3 layer; "" for a layer."""
    if hasattr(encoder, "representation_model"):
        return (
            f"a {type(encoder).__name__}, whose encoder is "
            "model.representation_model()"
        )
    if isinstance(encoder, keras.layers.TFSMLayer):
        return (
            "a TFSMLayer, which cannot be trained; supcon_tf.HubEncoder(folder)"
            " is a layer of a SavedModel"
        )
    if isinstance(encoder, keras.layers.Layer):
        return ""
    if isinstance(encoder, (str, os.PathLike)):
        return (
            f"the path {os.fspath(encoder)!r}; keras.saving.load_model loads a "
            ".keras file, and supcon_tf.HubEncoder a SavedModel"
        )
    if inspect.isclass(encoder):
        return f"the class {encoder.__name__}, which is to be called first"
    if any(
        kind.__module__.startswith(_KERAS_2) for kind in type(encoder).mro()
    ):
        return (
            f"a {type(encoder).__name__} of Keras 2 or TensorFlow; save it as "
            "a SavedModel, and supcon_tf.HubEncoder(folder) is a layer of it"
        )
    return f"{type(encoder).__name__} {encoder!r:.60}"
