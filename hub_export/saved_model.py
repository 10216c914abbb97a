"""Writes a Keras 3 encoder as a Reusable SavedModel, the form TF-Hub loads."""

import itertools
import math
import os

import tensorflow as tf

from hub_export.nearest_known import add_distance
from hub_export.preprocessing import preprocess_function
from hub_export.tracing import check_encoder, image_shape, ready_to_trace
from supcon_tf.encoders.endpoints import with_endpoints


def write_saved_model(
    encoder,
    path,
    *,
    projection_head=None,
    classifier=None,
    preprocessing=None,
    known=None,
):
    """Writes an encoder as a Reusable SavedModel.

    `tf.saved_model.load(path)` and `hub.load(path)` return an object with

        loaded(images, training=False)       features `[B, R]`, float32
        loaded(images, return_endpoints=True)
                                             dict of these, `features`, and the
                                             maps inside (`with_endpoints`)
        loaded.variables                     all weights and statistics
        loaded.trainable_variables           those that fine-tuning changes
        loaded.regularization_losses         functions without arguments
        loaded.signatures["serving_default"](images=...)["features"]
        loaded.serve(images)["features"]     the same as endpoints for
        loaded.serve_training(images)          `keras.layers.TFSMLayer`

    `images` are RGB `[B, H, W, 3]`, either float32 in [0, 1] or uint8 (0 to
    255), which is converted. With `training=True` batch statistics are used and
    moved, and dropout is on. With a projection head or a classifier there are
    also

        loaded.projection(images)            projections `[B, D]`
        loaded.projection_head(features)     the same, of features
        loaded.classifier(images)            probabilities `[B, C]`
        loaded.classifier.class_names()      their names `[C]`, if known

    and, if the images of the training are known,

        loaded.preprocess(photographs)       images that `loaded` takes, of the
                                             training's size, see
                                             `preprocess_function`
        loaded.image_size()                  that size, height and width

    and, with the photographs of the training,

        loaded.distance(images)              `[B]`, how far they are from these
        loaded.threshold()                   what is farther is of none of the
                                             classes

    Each of the heads' functions has `training`, `variables` and so on of its
    own. The first and the third also have a signature of their name. Weights
    are shared and stored once.

    Every weight can be fine-tuned, even if the encoder or some of its layers
    are frozen at the moment, as after a linear probe. All computations are in
    float32, even if the training was in half precision. Synchronized batch
    normalization becomes plain batch normalization. The encoder itself is left
    as it was.

    H and W are free if the layers allow it. An encoder that was built for one
    fixed size is tried at twice that size. If it works, as it does with
    convolutions and global pooling, it is exported for any size. Otherwise it
    keeps its own size, as with Flatten, a Dense over positions or an embedding
    of positions. The shape of the signature's `images` tells which. Losses that
    depend on the images, such as activity regularizers, are not part of the
    format and are left out.

    Args:
      encoder: built `keras.Model`, float32 RGB images `[B, H, W, 3]` in [0, 1]
        -> representations `[B, R]`. Its normalisation of the images is inside.
      path: folder to write, a string or a path.
      projection_head: built Keras layer, `[B, R]` -> `[B, D]`. None, the
        default, leaves it out.
      classifier: `LinearClassifier` of this encoder. None, the default, leaves
        it out.
      preprocessing: dict of `image_size` and `resizing`, the arguments of
        `preprocess_function`. None, the default, leaves out `preprocess` and
        `image_size`.
      known: `KnownPhotographs` of this encoder, whose vectors are written, too.
        None, the default, leaves out `distance` and `threshold`.

    Returns:
      A dict of facts about what was written:
        images: shape of the input. Here and below, None stands for any size.
        endpoints: dict of the endpoints' names to shapes.
        callables: dict of the further callables' names to shapes.
        parameters: number of the encoder's weights, batch statistics included.
        trainable_parameters: number of the weights that fine-tuning changes.
        regularization_losses: number of regularization losses.
        preprocessing: what was given for it.
        known: dict of the number of known `photographs` and of the `neighbors`,
          `keep` and `threshold` of `KnownPhotographs`; or None.

    Raises:
      ValueError: if the encoder is not a built Keras model from one image
        tensor to one `[B, R]` tensor with a known R, or if the head or the
        classifier does not take its features.

    Example:
      >>> write_saved_model(encoder, "saved_model")["images"]
      (None, None, None, 3)
      >>> tf.saved_model.load("saved_model")(images).shape
      TensorShape([8, 8])

    Reference:
      https://www.tensorflow.org/hub/reusable_saved_models and
      https://www.tensorflow.org/hub/common_saved_model_apis/images
    """
    check_encoder(encoder)
    dense = None if classifier is None else classifier.dense
    parts = {"projection_head": projection_head, "classifier": dense}
    parts = {name: part for name, part in parts.items() if part is not None}
    with ready_to_trace(encoder, *parts.values()):
        shape = image_shape(encoder)
        root, signatures = _root(encoder, shape, parts)
        if classifier is not None and classifier.class_names:
            names = tf.constant(classifier.class_names)
            root.classifier.class_names = tf.function(
                lambda: names, input_signature=[], autograph=False
            )
        if preprocessing is not None:
            root.preprocess = preprocess_function(**preprocessing)
            size = tf.constant(preprocessing["image_size"])
            root.image_size = tf.function(
                lambda: size, input_signature=[], autograph=False
            )
        if known is not None:
            add_distance(root, known, _images(shape))
        tf.saved_model.save(root, os.fspath(path), signatures=signatures)
        return {
            **_facts(encoder, shape, root),
            "preprocessing": preprocessing,
            "known": None if known is None else _facts_of_known(known),
        }


def _root(encoder, image_shape, parts):
    """Makes the object to save, and its signatures.

    Its functions close over the encoder. If the encoder were an attribute, it
    would be saved, too, and its weights a second time.
    """
    network = with_endpoints(encoder)

    # This is a function of its own, so that the network is traced only once for
    # each mode, whichever outputs are asked for.
    @tf.function(autograph=False)
    def endpoints(images, training):
        outputs = network(images, training=training)
        return tf.nest.map_structure(_float32, outputs)

    def features(images, training):
        if images.dtype == tf.uint8:
            images = tf.image.convert_image_dtype(images, tf.float32)
        return endpoints(images, training)

    # `training` and `return_endpoints` are Python bools that select a trace.
    def call(inputs, training=False, return_endpoints=False):
        outputs = features(inputs, training)
        return outputs if return_endpoints else outputs["features"]

    images = _images(image_shape)
    root = _reusable(call, [encoder], images, ("training", "return_endpoints"))
    features_shape = root.__call__.get_concrete_function(
        images[0]
    ).output_shapes

    root.serve = _served(lambda x: {"features": call(x)}, image_shape)
    root.serve_training = _served(
        lambda x: {"features": call(x, training=True)}, image_shape
    )
    signatures = {"serving_default": root.serve}
    for name, part in parts.items():
        _check_part(name, part, features_shape[-1])

    def on_images(part):
        def call(inputs, training=False):
            representations = features(inputs, training)["features"]
            return _float32(part(representations, training=training))

        return _reusable(call, [encoder, part], images)

    if "projection_head" in parts:
        head = parts["projection_head"]
        root.projection = on_images(head)
        root.projection_head = _on_features(head, features_shape)
        signatures["projection"] = _served(
            lambda x: {"projection": root.projection.__call__(x)}, image_shape
        )
    if "classifier" in parts:
        root.classifier = on_images(parts["classifier"])
        signatures["classifier"] = _served(
            lambda x: {"probabilities": root.classifier.__call__(x)},
            image_shape,
        )
    return root, signatures


def _images(image_shape):
    """The specs of the images that a SavedModel takes, floats and uint8."""
    return [
        tf.TensorSpec(image_shape, dtype, name="inputs")
        for dtype in (tf.float32, tf.uint8)
    ]


def _on_features(part, features_shape):
    def call(inputs, training=False):
        return _float32(part(inputs, training=training))

    spec = tf.TensorSpec(features_shape, tf.float32, name="inputs")
    return _reusable(call, [part], [spec])


def _reusable(function, layers, specs, flags=("training",)):
    """Wraps a function of images or features as TF-Hub's interface requires.

    It takes a tensor of one of `specs`, and Python bools named `flags`, which
    are False by default. `layers` are the Keras layers that it calls.
    """
    variables = [v for layer in layers for v in layer.variables]
    trainable = [v for layer in layers for v in layer.trainable_variables]
    # It is not a tf.Module, whose `variables` are properties and so not saved.
    root = tf.train.Checkpoint()
    # `.value` of a keras.Variable is the tf.Variable inside it.
    root.variables = [v.value for v in variables]
    root.trainable_variables = [v.value for v in trainable]
    root.regularization_losses = [
        _regularization_loss(v) for v in trainable if v.regularizer is not None
    ]
    root.__call__ = tf.function(function, autograph=False)
    for spec in specs:
        for values in itertools.product((False, True), repeat=len(flags)):
            root.__call__.get_concrete_function(
                spec, **dict(zip(flags, values, strict=True))
            )
    return root


def _served(function, image_shape):
    spec = tf.TensorSpec(image_shape, tf.float32, name="images")
    return tf.function(
        lambda images: function(images), input_signature=[spec], autograph=False
    )


def _regularization_loss(variable):
    """Makes a function without arguments of the loss of one variable.

    A lambda in the caller's loop would need a default argument, which
    SavedModel takes for an argument and cannot save.
    """
    return tf.function(
        lambda: _float32(variable.regularizer(variable)),
        input_signature=[],
        autograph=False,
    )


def _float32(tensor):
    return tf.cast(tensor, tf.float32)


def _facts(encoder, image_shape, root):
    images = tf.TensorSpec(image_shape, tf.float32, name="inputs")

    def shapes(function, spec, **flags):
        traced = function.__call__.get_concrete_function(spec, **flags)
        return tf.nest.map_structure(
            lambda output: tuple(output.shape), traced.structured_outputs
        )

    endpoints = shapes(root, images, return_endpoints=True)
    features = tf.TensorSpec(endpoints["features"], tf.float32, name="inputs")
    return {
        "images": image_shape,
        "endpoints": endpoints,
        "callables": {
            name: shapes(getattr(root, name), spec)
            for name, spec in (
                ("projection", images),
                ("projection_head", features),
                ("classifier", images),
            )
            if hasattr(root, name)
        },
        "parameters": encoder.count_params(),
        "trainable_parameters": sum(
            math.prod(v.shape) for v in encoder.trainable_variables
        ),
        "regularization_losses": len(root.regularization_losses),
    }


def _facts_of_known(known):
    return {
        "photographs": len(known.vectors),
        "neighbors": known.neighbors,
        "keep": known.keep,
        "threshold": known.threshold,
    }


def _check_part(name, part, num_features):
    """Refuses a head or classifier that does not take the features."""
    try:
        outputs = part(tf.zeros((1, num_features)))
        fits = outputs.shape.rank == 2
    except Exception:  # each layer refuses a shape with an error of its own
        fits = False
    if not fits:
        raise ValueError(
            f"`{name}` must take the encoder's {num_features} features. "
            f"Received: {name}={part!r}, which does not"
        )
