"""A Keras 3 encoder as a Reusable SavedModel, the form TF-Hub loads.

`write_saved_model` writes it, `compare` measures a loaded one against the
encoder that it was made from.
"""

import contextlib
import os

import keras
import numpy as np
import tensorflow as tf


def write_saved_model(encoder, path):
    """Write an encoder as a Reusable SavedModel.

    What `tf.saved_model.load(path)` and `hub.load(path)` return:

        loaded(images, training=False)   features `[B, R]`, float32
        loaded.variables                 all weights and statistics
        loaded.trainable_variables       those that fine-tuning changes
        loaded.regularization_losses     functions without arguments -> scalar
        loaded.signatures["serving_default"](images=...)["features"]

    `images` are RGB, `[B, H, W, 3]`: float32 in [0, 1], or uint8 (0 to 255),
    which is converted. With `training=True` batch statistics are used and
    moved, and dropout is on.

    Every weight can be fine-tuned, also when the encoder or some of its layers
    are frozen at the moment, as after a linear probe. The encoder itself is
    left as it was. Synchronized batch normalization becomes the plain one.

    H and W are free where the layers allow it: an encoder built for one fixed
    size that is tried and works at twice that size (convolutions and global
    pooling) is exported for any size; one that does not (Flatten, a Dense or an
    embedding over positions) keeps its own. The shape of the signature's
    `images` tells which. Losses that depend on the images, such as activity
    regularizers, are not part of the format and are left out.

    Args:
      encoder: built `keras.Model`; input `[B, H, W, 3]` float32 RGB in [0, 1]
        (its normalisation is inside), output `[B, R]`.
      path: folder to write, a string or a path.

    Raises:
      ValueError: if the encoder is not a built Keras model from one image
        tensor to one `[B, R]` tensor with a known R.

    Example:
      >>> write_saved_model(encoder, "encoder_saved_model")
      >>> loaded = tf.saved_model.load("encoder_saved_model")
      >>> loaded(tf.zeros((2, 32, 32, 3))).shape
      TensorShape([2, 512])

    Reference:
      https://www.tensorflow.org/hub/reusable_saved_models and
      https://www.tensorflow.org/hub/common_saved_model_apis/images
    """
    check_encoder(encoder)
    with _ready_to_trace(encoder):
        root = _reusable(encoder, _image_shape(encoder))
        signatures = {"serving_default": root.serve}
        tf.saved_model.save(root, os.fspath(path), signatures=signatures)


def check_encoder(encoder):
    """Refuses what `write_saved_model` cannot write.

    Args:
      encoder: the `keras.Model` to be written.

    Raises:
      ValueError: if it is not built, or not from images to features.
    """
    if not isinstance(encoder, keras.Model) or not encoder.built:
        raise ValueError(
            "`encoder` must be a built keras.Model. Received: "
            f"encoder={encoder!r}"
        )
    shape = _own_shape(encoder)
    if len(shape) != 4 or shape[0] is not None or shape[-1] != 3:
        raise ValueError(
            "`encoder` must take one tensor of RGB images [B, H, W, 3] with B "
            f"free. Received: input shape {shape}"
        )
    features = getattr(encoder, "output_shape", (None, 1))
    if len(features) != 2 or features[-1] is None:
        raise ValueError(
            "`encoder` must return one tensor of features [B, R], with R known."
            f" Received: output shape {features}"
        )


def compare(encoder, loaded):
    """Largest differences of a loaded SavedModel from its encoder.

    Both are given the same four random images, as uint8 and as float32, of the
    encoder's own size, or 96 x 96 where it takes any. Compared are the features
    and the variables after the call. Each difference is relative to the largest
    magnitude of what is compared: 1e-5 means five equal digits of the largest
    feature.

    Encoder and loaded SavedModel are left as they were: batch statistics and
    random seeds, which a call in training mode moves, are put back.

    Args:
      encoder: the `keras.Model` that `write_saved_model` was given.
      loaded: what `tf.saved_model.load` returned.

    Returns:
      `{"inference": float, "training": float}`. NaN if either model returned
      one.

    Raises:
      ValueError: if the encoder is not a built Keras model of images, or the
        two do not have the same variables.

    Example:
      >>> compare(encoder, tf.saved_model.load("encoder_saved_model"))
      {'inference': 1.9e-07, 'training': 3.1e-07}
    """
    check_encoder(encoder)
    _, height, width, _ = _own_shape(encoder)
    shape = (4, height or 96, width or 96, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    pixels = tf.constant(pixels)
    images = tf.image.convert_image_dtype(pixels, tf.float32)
    result = {}
    with _ready_to_trace(encoder):
        for mode, training in (("inference", False), ("training", True)):
            differences = [
                _difference(encoder, loaded, inputs, training)
                for inputs in (images, pixels)
            ]
            result[mode] = float(np.max(differences))
    return result


def _reusable(encoder, image_shape):
    """The object to save. It closes over the encoder: as an attribute, the
    encoder would be saved too, its weights a second time.
    """

    def features(images, training):
        if images.dtype == tf.uint8:
            images = tf.image.convert_image_dtype(images, tf.float32)
        return tf.cast(encoder(images, training=training), tf.float32)

    # `training` selects a trace; SavedModel callers pass a Python bool.
    def call(inputs, training=False):
        return features(inputs, training)

    def serve(images):
        return {"features": features(images, False)}

    # Not a tf.Module: its `variables` are properties, which are not saved.
    root = tf.train.Checkpoint()
    # `.value` of a keras.Variable is the tf.Variable that it stands for.
    root.variables = [v.value for v in encoder.variables]
    root.trainable_variables = [v.value for v in encoder.trainable_variables]
    root.regularization_losses = [
        _regularization_loss(v)
        for v in encoder.trainable_variables
        if v.regularizer is not None
    ]
    root.__call__ = tf.function(call, autograph=False)
    for dtype in (tf.float32, tf.uint8):
        spec = tf.TensorSpec(image_shape, dtype, name="inputs")
        for training in (False, True):
            root.__call__.get_concrete_function(spec, training=training)
    spec = tf.TensorSpec(image_shape, tf.float32, name="images")
    # `serve` is also the endpoint that keras.layers.TFSMLayer looks for.
    root.serve = tf.function(serve, input_signature=[spec], autograph=False)
    return root


def _regularization_loss(variable):
    """A function without arguments. (Made here rather than by a lambda with
    defaults, whose defaults SavedModel takes for arguments and cannot save.)
    """

    def loss():
        return tf.cast(variable.regularizer(variable), tf.float32)

    return tf.function(loss, input_signature=[], autograph=False)


def _image_shape(encoder):
    """The widest `[None, H, W, 3]` that the encoder can be traced with."""
    own = _own_shape(encoder)
    any_size = (None, None, None, 3)
    if own != any_size and _works_at_any_size(encoder, own):
        return any_size
    _trace(encoder, own)
    return own


def _works_at_any_size(encoder, own):
    """Whether the layers also do what they do at twice their own size."""
    # Reshapes with fixed numbers can trace and then fold positions into the
    # batch, and embeddings fail at the first image only. Hence the real call,
    # whose failure TensorFlow also logs.
    larger = [2 * size if size else 64 for size in own[1:3]]
    try:
        traced = _trace(encoder, (None, None, None, 3))
        features = traced(tf.zeros((1, *larger, 3)))
    except Exception:  # each layer refuses a size with an error of its own
        return False
    return features.shape == (1, traced.output_shapes[-1])


def _trace(encoder, image_shape):
    """The encoder as a graph, if it returns features."""
    spec = tf.TensorSpec(image_shape, tf.float32)
    traced = tf.function(
        lambda images: encoder(images, training=False), autograph=False
    ).get_concrete_function(spec)
    shape = traced.output_shapes
    known = isinstance(shape, tf.TensorShape) and shape.rank == 2
    if not known or shape[-1] is None:
        raise ValueError(
            "`encoder` must return one tensor of features `[B, R]`, with R "
            "known and independent of the image size. Received: output shape "
            f"{shape}"
        )
    return traced


def _own_shape(encoder):
    """The image shape that the encoder declares; subclasses declare none."""
    return tuple(getattr(encoder, "input_shape", (None, None, None, 3)))


@contextlib.contextmanager
def _ready_to_trace(encoder):
    """Unfreeze all layers, also those inside layers; put all flags back."""
    # Keras has no public list of the layers inside layers. A flag that changes
    # is handed on to the layers below, so the outer ones go first: those with
    # more layers.
    layers = encoder._flatten_layers()
    layers.sort(key=lambda layer: len(layer._flatten_layers()), reverse=True)
    trainable = [(x, x.trainable) for x in (*layers, *encoder.variables)]
    # Replicas' batch statistics cannot be synchronized by a SavedModel; traced
    # so, it would warn at each load of gradients that it lacks.
    synchronized = [x for x in layers if getattr(x, "synchronized", False)]
    try:
        for layer in synchronized:
            layer.synchronized = False
        for layer in layers:
            # Twice: setting a flag to what it is does nothing, not even to the
            # layers and variables below. (Keras 3.15 on TensorFlow.)
            layer.trainable = False
            layer.trainable = True
        yield
    finally:
        for item, value in trainable:
            item.trainable = value
        for layer in synchronized:
            layer.synchronized = True


def _difference(encoder, loaded, inputs, training):
    """Largest relative difference of the features and of the variables."""

    def reference(inputs):
        images = tf.image.convert_image_dtype(inputs, tf.float32)
        return encoder(images, training=training)

    # As a graph, like the loaded one: it rounds otherwise than eager layers do,
    # and batch statistics of a few images can amplify that to 1e-3 in a deep
    # network (measured: ResNet-50 whose last maps are 1 x 1).
    spec = tf.TensorSpec(inputs.shape, inputs.dtype)
    reference = tf.function(reference, autograph=False)
    reference = reference.get_concrete_function(spec)
    expected = _run(lambda: reference(inputs), encoder.variables)
    received = _run(lambda: loaded(inputs, training=training), loaded.variables)
    differences = []
    for left, right in zip(expected, received, strict=True):
        left, right = left.astype(np.float64), right.astype(np.float64)
        scale = np.max(np.abs(left)) or 1.0  # all zero: the plain difference
        differences.append(np.max(np.abs(left - right)) / scale)
    return np.max(differences)


def _run(function, variables):
    """The function's result and the variables after it, which are put back."""
    before = [v.numpy() for v in variables]
    try:
        result = function().numpy()
        after = [v.numpy() for v in variables]
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
    return [result, *after]
