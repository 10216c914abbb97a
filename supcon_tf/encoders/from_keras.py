"""Turns models of keras.applications, or any Keras model, into encoders."""

from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np
from keras import layers, ops

POOLINGS = ("avg", "max")


def from_keras(
    model: keras.Model,
    preprocess: Callable[[Any], Any] | None = None,
    *,
    input_shape: tuple[int, int, int] | None = None,
    pooling: Literal["avg", "max"] = "avg",
) -> keras.Model:
    """Turns a Keras model of images without its classifier into an encoder.

    The encoder takes images in [0, 1], as all encoders do. It multiplies them
    by 255 and changes them as `preprocess` does, which is what the model
    expects. Keras layers do this and are saved with the encoder. To find these
    layers, `preprocess` is tried on a few images.

    The encoder shares the model's weights, so training one trains both.

    Args:
      model: `keras.Model`, RGB images `[B, height, width, 3]` -> maps
        `[B, h, w, R]` or representations `[B, R]`, such as
        `keras.applications.ResNet50(include_top=False)`.
      preprocess: a function of NumPy images in [0, 255] that scales, shifts or
        reorders the channels, such as
        `keras.applications.resnet50.preprocess_input`. None is for a model that
        takes images in [0, 255] as they are.
      input_shape: `(height, width, 3)` of the images, by default the model's.
      pooling: `"avg"` or `"max"`, how maps are pooled over height and width.

    Returns:
      A `keras.Model`: float32 RGB images `[B, height, width, 3]` in [0, 1] ->
      float32 representations `[B, R]`.

    Raises:
      ValueError: if the model does not take such images or does not return
        such features, `preprocess` does something else, or another argument is
        out of its range.

    Example:
      >>> encoder = from_keras(
      ...     keras.applications.MobileNetV2(include_top=False, weights=None),
      ...     keras.applications.mobilenet_v2.preprocess_input,
      ... )
      >>> encoder.output_shape
      (None, 1280)
    """
    order, scale, offset = [0, 1, 2], [255.0] * 3, [0.0] * 3
    if preprocess is not None:
        order, scale, offset = linear_preprocessing(preprocess)
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
    """Puts preprocessing before a Keras model and global pooling after it.

    The model's channel c is `scale[c] * images[..., order[c]] + offset[c]`.

    Args:
      model: as in `from_keras`.
      order: three ints, the channel of the images for each of the model's.
      scale: three floats, by which the channels are multiplied.
      offset: three floats, which are added.
      input_shape: as in `from_keras`.
      pooling: as in `from_keras`.
      name: name of the encoder, by default the model's.

    Returns:
      A `keras.Model`: float32 RGB images in [0, 1] -> `[B, R]` float32.

    Raises:
      ValueError: if an argument is out of its range.

    Example:
      >>> model = keras.Sequential(
      ...     [keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3)]
      ... )
      >>> pooled_encoder(model, offset=(-0.5, -0.5, -0.5)).output_shape
      (None, 4)
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
    """The same layers as a plain `keras.Model`, if all are Keras' own.

    Whoever loads the encoder then need not be able to import the model's class,
    such as one of KerasCV.
    """
    for layer in model.layers:
        is_own = type(layer).__module__.startswith("keras.")
        # KerasCV has lambdas in some of its classes. Safe mode loads these
        # classes, but it would not load the lambdas by themselves.
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


class ImageSizeError(ValueError):
    """A model does not take images of the size that was asked for.

    Args:
      own: `(height, width, 3)` that the model takes, with None for any size.
      given: `(height, width, 3)` that was asked for.
      is_image_size: whether the caller gave the `image_size` of square images
        rather than an `input_shape`, so that the message speaks of it.
    """

    def __init__(self, own, given, is_image_size=False):
        self.own, self.given = own, given
        if is_image_size:
            text = (
                f"`image_size` must be that of {own}, which the model was made "
                f"for. Received: image_size={given[0]}"
            )
        else:
            text = (
                f"`input_shape` must be {own}, which the model was made for. "
                f"Received: input_shape={given}"
            )
        super().__init__(text)


def check_image_shape(own, input_shape):
    """Refuses images of a size that a model does not take.

    Args:
      own: `(None, height, width, 3)` of the model, with None for any size.
      input_shape: `(height, width, 3)` of the images.

    Raises:
      ImageSizeError: if the two differ in a size that the model fixes.
    """
    own, wanted = tuple(own), (None, *input_shape)
    if len(wanted) != len(own) or any(
        size is not None and size != other
        for size, other in zip(own, wanted, strict=True)
    ):
        raise ImageSizeError(own[1:], tuple(input_shape))


def linear_preprocessing(preprocess):
    """Finds what a preprocessing does to the channels, by trying it.

    Args:
      preprocess: as in `from_keras`.

    Returns:
      `(order, scale, offset)` as for `pooled_encoder`, for images in [0, 1].

    Raises:
      ValueError: if it does something else than scale, shift or reorder.

    Example:
      >>> linear_preprocessing(keras.layers.Rescaling(1 / 255))
      ([0, 1, 2], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0])
    """

    def applied(images):
        # A copy, since some functions change their input.
        images = np.array(images, "float64")
        result = preprocess(255 * images)
        return np.asarray(ops.convert_to_numpy(result), "float64")

    random = np.random.default_rng(0).random((2, 4, 5, 3))
    # A black image and, for each channel, an image in which only it is 1.
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
            # Rounded to float32, since 255 is found as 255 + 3e-14.
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
