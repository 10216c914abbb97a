"""An encoder made ready to be traced, and the image sizes that it takes."""

import contextlib

import keras
import tensorflow as tf

from supcon_tf.keras_internals import all_layers

_HALF = ("float16", "bfloat16")


@contextlib.contextmanager
def ready_to_trace(*models):
    """Gives models the state in which others can load and train them.

    All layers are unfrozen, also those inside layers; they compute in float32;
    batch normalization is not synchronized. Afterwards everything is as it was.

    Args:
      *models: built Keras models or layers.

    Yields:
      None.
    """
    # Keras has no public list of the layers inside layers. A flag that changes
    # is handed on to the layers below, so the outer ones go first: those with
    # more layers.
    layers = [x for model in models for x in all_layers(model)]
    layers.sort(key=lambda layer: len(all_layers(layer)), reverse=True)
    variables = [v for model in models for v in model.variables]
    trainable = [(x, x.trainable) for x in (*layers, *variables)]
    # Replicas' batch statistics cannot be synchronized by a SavedModel; traced
    # so, it would warn at each load of gradients that it lacks.
    synchronized = [x for x in layers if getattr(x, "synchronized", False)]
    # Half precision is slow on a CPU, and some processors have none.
    policies = [(x, x.dtype_policy) for x in layers if x.compute_dtype in _HALF]
    try:
        for layer in synchronized:
            layer.synchronized = False
        for layer, _ in policies:
            layer.dtype_policy = "float32"
        for layer in layers:
            # Twice: setting a flag to what it is does nothing, not even to the
            # layers and variables below. (Keras 3.15 on TensorFlow.)
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
    """How an encoder was trained that is exported otherwise.

    Args:
      encoder: `keras.Model`.

    Returns:
      Dict of `synchronized`, whether a batch normalization is; and `precision`,
      the dtype policy that is not float32's, or float32's.
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
    """Refuses what cannot be exported.

    Args:
      encoder: the `keras.Model` to be written.

    Raises:
      ValueError: if it is not built, or not from images to features, or Keras
        does not run on TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "The backend of Keras must be tensorflow, whose format a SavedModel"
            f" is. Received: {keras.backend.backend()}"
        )
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
    """The image shape that the encoder declares; subclasses declare none."""
    return tuple(getattr(encoder, "input_shape", (None, None, None, 3)))


def image_shape(encoder):
    """The widest `[None, H, W, 3]` that the encoder can be traced with.

    Args:
      encoder: a `keras.Model` that `check_encoder` accepts.

    Returns:
      A tuple.

    Raises:
      ValueError: if the number of features depends on the image size.
    """
    own = own_shape(encoder)
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
