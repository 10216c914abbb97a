"""Prepares an encoder for tracing, and finds the image sizes that it takes."""

import contextlib

import keras
import tensorflow as tf

from supcon_tf.encoders import encoder_check
from supcon_tf.frameworks.keras_internals import all_layers

_HALF = ("float16", "bfloat16")


@contextlib.contextmanager
def ready_to_trace(*models):
    """Brings models into the state in which others can load and train them.

    All layers, also those inside layers, are unfrozen and compute in float32.
    Batch normalization is not synchronized. When the block ends, everything is
    as it was.

    Args:
      *models: built Keras models or layers.

    Yields:
      None.

    Example:
      >>> layer = keras.layers.Dense(2, trainable=False)
      >>> layer.build((None, 8))
      >>> with ready_to_trace(layer):
      ...     len(layer.trainable_variables)
      2
    """
    # A layer hands a changed flag on to the layers inside it. The outer layers,
    # which have more layers, therefore come first.
    layers = [x for model in models for x in all_layers(model)]
    layers.sort(key=lambda layer: len(all_layers(layer)), reverse=True)
    variables = [v for model in models for v in model.variables]
    trainable = [(x, x.trainable) for x in (*layers, *variables)]
    # A SavedModel cannot synchronize the batch statistics of replicas. If it
    # were traced so, each load would warn of missing gradients.
    synchronized = [x for x in layers if getattr(x, "synchronized", False)]
    # Half precision is slow on a CPU, and some processors have none.
    policies = [(x, x.dtype_policy) for x in layers if x.compute_dtype in _HALF]
    try:
        for layer in synchronized:
            layer.synchronized = False
        for layer, _ in policies:
            layer.dtype_policy = "float32"
        for layer in layers:
            # The flag is set twice, since setting it to the value that it has
            # does nothing, not even to the layers and variables inside (Keras
            # 3.15 on TensorFlow).
            layer.trainable = False
            layer.trainable = True
        yield
    finally:
        for item, value in trainable:
            item.trainable = value
        for layer, policy in policies:
            layer.dtype_policy = policy
        for layer in synchronized:
            layer.synchronized = True


def training_of(encoder):
    """Returns a dict of what was different in training from the export.

    `synchronized` says whether a batch normalization is. `precision` is the
    first dtype policy of half precision, or `"float32"`.
    """
    layers = all_layers(encoder)
    half = [
        layer.dtype_policy.name
        for layer in layers
        if layer.compute_dtype in _HALF
    ]
    return {
        "synchronized": any(getattr(x, "synchronized", False) for x in layers),
        "precision": half[0] if half else "float32",
    }


def check_encoder(encoder):
    """Refuses an encoder that cannot be exported.

    Args:
      encoder: the `keras.Model` to be written.

    Raises:
      ValueError: if the encoder is not built, if it does not map RGB images
        `[B, H, W, 3]` to features `[B, R]`, or if Keras does not run on
        TensorFlow.

    Example:
      >>> check_encoder(encoder)
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "The backend of Keras must be tensorflow, whose format a SavedModel"
            f" is. Received: {keras.backend.backend()}"
        )
    encoder_check.check_encoder(encoder)
    if not isinstance(encoder, keras.Model) or not encoder.built:
        raise ValueError(
            "`encoder` must be a built keras.Model. Received: "
            f"encoder={encoder!r}"
        )
    shape = own_shape(encoder)
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


def own_shape(encoder):
    """Returns the declared input shape, or that of RGB images of any size."""
    return tuple(getattr(encoder, "input_shape", (None, None, None, 3)))


def image_shape(encoder):
    """Returns the widest (None, H, W, 3) that an encoder can be traced with.

    H and W are None if the encoder works at any size, and its own otherwise. An
    encoder whose number of features depends on the size is refused.
    """
    own = own_shape(encoder)
    any_size = (None, None, None, 3)
    if own != any_size and _works_at_any_size(encoder, own):
        return any_size
    _trace(encoder, own)
    return own


def _works_at_any_size(encoder, own):
    """Checks that the encoder gives features at twice its own size, too."""
    # Tracing alone is not enough. Reshapes with fixed numbers can be traced and
    # then fold positions into the batch, and embeddings only fail at the first
    # image. Hence this calls the encoder. TensorFlow logs a failure, too.
    larger = [2 * size if size else 64 for size in own[1:3]]
    try:
        traced = _trace(encoder, (None, None, None, 3))
        features = traced(tf.zeros((1, *larger, 3)))
    except Exception:  # each layer refuses a size with an error of its own
        return False
    return features.shape == (1, traced.output_shapes[-1])


def _trace(encoder, image_shape):
    """Traces the encoder, and refuses it if it does not return features."""
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
