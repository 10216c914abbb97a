"""Models of keras.applications, and any Keras model of images, as encoders."""

import keras
import numpy as np
from keras import layers, ops

POOLINGS = ("avg", "max")


def from_keras(model, preprocess=None, *, input_shape=None, pooling="avg"):
    """A Keras model of images, without its classifier, as an encoder.

    The encoder takes images in [0, 1], as all encoders do, and gives them to
    the model as the model expects them: 255 times as large, and then as
    `preprocess` changes them. That is done by layers of Keras, which are saved
    with the encoder; to find them, `preprocess` is tried on a few images.

    The encoder shares the model's weights: to train one is to train both.

    Args:
      model: `keras.Model`, RGB images `[B, height, width, 3]` -> maps
        `[B, h, w, R]` or representations `[B, R]`, such as
        `keras.applications.ResNet50(include_top=False)`.
      preprocess: None, for a model that takes images in [0, 255] as they are,
        or a function of NumPy images in [0, 255] that scales, shifts or
        reorders the channels, such as
        `keras.applications.resnet50.preprocess_input`.
      input_shape: `(height, width, 3)` of the images; by default the model's.
      pooling: `"avg"` or `"max"`, of maps over height and width.

    Returns:
      A `keras.Model`: float32 RGB images `[B, height, width, 3]` in [0, 1] ->
      float32 representations `[B, R]`.

    Raises:
      ValueError: if the model does not take such images or does not return
        such features, `preprocess` does something else, or another argument is
        out of its range.

    Example:
      >>> encoder = from_keras(
      ...     keras.applications.ResNet50(include_top=False),
      ...     keras.applications.resnet50.preprocess_input,
      ... )
      >>> encoder.output_shape
      (None, 2048)
    """
    order, scale, offset = [0, 1, 2], [255.0] * 3, [0.0] * 3
    if preprocess is not None:
        order, scale, offset = _found(preprocess)
    return pooled_encoder(
        model,
        order=order,
        scale=scale,
        offset=offset,
        input_shape=input_shape,
        pooling=pooling,
    )


def pooled_encoder(
    model,
    *,
    order=(0, 1, 2),
    scale=(1.0, 1.0, 1.0),
    offset=(0.0, 0.0, 0.0),
    input_shape=None,
    pooling="avg",
    name=None,
):
    """A Keras model behind its preprocessing and before a global pooling.

    The model's channel c is `scale[c] * images[..., order[c]] + offset[c]`.

    Args:
      model: as for `from_keras`.
      order: three ints, which channel of the images each of the model's is.
      scale: three floats.
      offset: three floats.
      input_shape: as for `from_keras`.
      pooling: as for `from_keras`.
      name: name of the encoder, by default the model's.

    Returns:
      A `keras.Model`: float32 RGB images in [0, 1] -> `[B, R]` float32.

    Raises:
      ValueError: if an argument is out of its range.
    """
    _check(model, input_shape, pooling)
    images = keras.Input(input_shape or model.input_shape[1:], name="images")
    x = images
    if list(order) != [0, 1, 2]:
        x = ops.take(x, list(order), axis=-1)
    x = layers.Rescaling(
        list(scale), list(offset), dtype="float32", name="preprocessing"
    )(x)
    x = _without_its_class(model)(x)
    if len(x.shape) == 4:
        kind = "Average" if pooling == "avg" else "Max"
        pool = getattr(layers, f"Global{kind}Pooling2D")
        x = pool(name="representation", dtype="float32")(x)
    else:
        x = layers.Identity(name="representation", dtype="float32")(x)
    return keras.Model(images, x, name=name or model.name)


def _without_its_class(model):
    """The model of the same layers, if all are Keras' own.

    Then whoever loads the encoder need not be able to import the class, as
    KerasCV's are.
    """
    for layer in model.layers:
        is_own = type(layer).__module__.startswith("keras.")
        # (KerasCV has lambdas, which are not loaded in safe mode, in classes
        # which are.)
        if not is_own or isinstance(layer, layers.Lambda):
            return model
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def _check(model, input_shape, pooling):
    if not isinstance(model, keras.Model) or not hasattr(model, "inputs"):
        raise ValueError(
            "`model` must be a keras.Model with known inputs, such as one of "
            f"keras.applications. Received: model={model!r}"
        )
    shapes = [tuple(x.shape) for x in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][-1] != 3:
        raise ValueError(
            "`model` must take one tensor of RGB images [B, height, width, 3]. "
            f"Received: input shapes {shapes}"
        )
    outputs = [tuple(x.shape) for x in model.outputs]
    if (
        len(outputs) != 1
        or len(outputs[0]) not in (2, 4)
        or outputs[0][-1] is None
    ):
        raise ValueError(
            "`model` must return one tensor, maps [B, h, w, R] or features "
            f"[B, R], R known. Received: output shapes {outputs}"
        )
    if input_shape is not None:
        check_image_shape(shapes[0], input_shape)
    if pooling not in POOLINGS:
        raise ValueError(
            f"`pooling` must be one of {list(POOLINGS)}. "
            f"Received: pooling={pooling!r}"
        )


def check_image_shape(own, input_shape):
    """Refuses images of a size that a model does not take.

    Args:
      own: `(None, height, width, 3)` of the model, None where it takes any.
      input_shape: `(height, width, 3)` of the images.

    Raises:
      ValueError: if they differ where the model's is known.
    """
    own, wanted = tuple(own), (None, *input_shape)
    if len(wanted) != len(own) or any(
        size is not None and size != other
        for size, other in zip(own, wanted, strict=True)
    ):
        raise ValueError(
            f"`input_shape` must be {own[1:]}, which the model was made for. "
            f"Received: input_shape={tuple(input_shape)}"
        )


def _found(preprocess):
    """Order, scale and offset of what a function does to 255 * images."""

    def applied(images):
        images = np.array(images, "float64")  # a copy: some change their input
        result = preprocess(255 * images)
        return np.asarray(ops.convert_to_numpy(result), "float64")

    random = np.random.default_rng(0).random((2, 4, 5, 3))
    # Black, and one image for each channel in which it alone is 1.
    probes = np.zeros((4, 1, 1, 3)) + np.eye(4, 3, -1)[:, None, None]
    values = applied(probes)
    received = applied(random)
    if values.shape == probes.shape and received.shape == random.shape:
        offset = values[0, 0, 0]
        matrix = values[1:, 0, 0] - offset  # [images' channel, model's]
        order = np.argmax(np.abs(matrix), axis=0)
        scale = matrix[order, range(3)]
        expected = scale * random[..., order] + offset
        if np.allclose(received, expected, rtol=1e-5, atol=1e-3):
            # (Rounded: 255 is found as 255 + 3e-14.)
            return (
                order.tolist(),
                np.float32(scale).tolist(),
                np.float32(offset).tolist(),
            )
    raise ValueError(
        "`preprocess` must scale, shift or reorder the channels of images in "
        "[0, 255], each pixel by itself. Received: "
        f"preprocess={preprocess!r}, which does something else"
    )
