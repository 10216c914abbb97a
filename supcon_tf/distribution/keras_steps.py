"""Makes a Keras model train correctly on several replicas.

Keras 3 leaves some of it undone. Where an issue is open, a comment names it.
Nothing here changes a step on one replica.
"""

import contextlib
import warnings

import keras

from supcon_tf.distribution.collectives import num_replicas, sum_over_replicas
from supcon_tf.distribution.workers import num_workers
from supcon_tf.frameworks import keras_internals
from supcon_tf.frameworks.backends import is_tensorflow, tf


def scope_of(model):
    """The scope of the strategy in which a model was made, or an empty one.

    It is empty inside of that scope, or without a strategy. Variables that are
    made later, when the model is built, also belong in the scope.
    """
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None or tf.distribute.has_strategy():
        return contextlib.nullcontext()
    return strategy.scope()


def replicas_of(model):
    """The replicas that a model's strategy has; 1 without a strategy."""
    strategy = getattr(model, "distribute_strategy", None)
    return 1 if strategy is None else strategy.num_replicas_in_sync


def check_compiled(model):
    """Refuses a compiled model with what fails or errs on several replicas.

    It raises a ValueError. On one replica everything is allowed.
    """
    if not is_tensorflow():
        return
    count = replicas_of(model)
    optimizer = _inner(model.optimizer)
    extended = model.distribute_strategy.extended
    # (The first variable of an optimizer, its step, is there from the start.)
    if optimizer is not None and not extended.variable_created_in_scope(
        optimizer.variables[0].value
    ):
        raise ValueError(
            "The model and its optimizer must be made in the scope of the same "
            "strategy, and so must the model's encoder and head. "
            f"Received: a model of {count} replicas, an optimizer of others"
        )
    if count == 1:
        return
    for weight in model.weights:
        if not extended.variable_created_in_scope(weight.value):
            raise ValueError(
                "The encoder and the head must be made in the scope of the "
                f"strategy, as the model. Received: {weight.path} from outside"
            )
    accumulation = getattr(optimizer, "gradient_accumulation_steps", None)
    for name, is_refused, value, allowed in (
        # The compiled step would read variables on the devices of others.
        ("jit_compile", model.jit_compile, True, "False or 'auto'"),
        # github.com/keras-team/keras/issues/19246
        (
            "steps_per_execution",
            model.steps_per_execution > 1,
            model.steps_per_execution,
            "1",
        ),
        # github.com/keras-team/keras/issues/20582
        (
            "gradient_accumulation_steps",
            accumulation,
            accumulation,
            "None (SupConModel's num_microbatches saves the memory)",
        ),
    ):
        if is_refused:
            raise ValueError(
                f"`{name}` must be {allowed} on {count} replicas. "
                f"Received: {name}={value!r}"
            )


def refuse_whole_batches(model, name, instead):
    """Refuses a method for which Keras gives each replica the whole batch.

    Each image would be contrasted with its own copies, as positives. `instead`
    is the name of the method to use. It raises a ValueError on several
    replicas.
    """
    count = replicas_of(model)
    if count > 1:
        raise ValueError(
            f"`{name}` must be `{instead}` on several replicas, such as "
            f"{instead}(..., batch_size=len(x)): it does not share a batch "
            f"among them. Received: {name}, {count} replicas"
        )


def moving_averages(model, images):
    """Pairs of variable and value that an empty part would make NaN for good.

    A BatchNormalization that is not synchronised takes the mean over no image
    if the replica's part `images`, `[b, ...]`, is empty. The list is empty
    where b is known, or on one replica.
    """
    # All replicas must do the same. Eagerly each knows its own b, but not that
    # of the others.
    is_known = images.shape[0] is not None and not tf.executing_eagerly()
    if num_replicas() == 1 or is_known:
        return []
    return [
        (variable, tf.identity(variable))
        for layer in keras_internals.all_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization)
        and not layer.synchronized
        for variable in layer.non_trainable_variables
    ]


def set_back(averages):
    """Sets back `moving_averages` that are not finite after a step."""
    for variable, before in averages:
        now = tf.convert_to_tensor(variable)
        is_finite = tf.reduce_all(tf.math.is_finite(now))
        variable.assign(tf.where(is_finite, now, before))


def without_empty(gradients, images):
    """The gradients, set to 0 on a replica that has no images (`[b, ...]`)."""
    if num_replicas() == 1:
        return gradients
    has_images = tf.shape(images)[0] > 0
    return [
        None if g is None else tf.where(has_images, g, tf.zeros_like(g))
        for g in gradients
    ]


def apply_gradients(optimizer, gradients, variables):
    """As `optimizer.apply_gradients`, but sums over replicas where Keras errs.

    Keras clips each replica's gradients before it adds them up. It looks for
    infinities of a scaled float16 loss only in the gradients of the first
    replica. Where there is clipping or scaling, the gradients are therefore
    added up first, and each replica hands in an equal part of the sum.
    Gradients may be None.
    """
    if not variables:
        warnings.warn("The model has no trainable weights.", stacklevel=2)
        return
    clip = _clipping(optimizer)
    if num_replicas() > 1 and (clip or _inner(optimizer) is not optimizer):
        known = [tf.convert_to_tensor(g) for g in gradients if g is not None]
        known = sum_over_replicas(known)
        if clip:
            known = _clipped(known, clip, optimizer)
        known = iter([gradient / num_replicas() for gradient in known])
        gradients = [None if g is None else next(known) for g in gradients]
    optimizer.apply_gradients(zip(gradients, variables, strict=True))


def log_loss(model, loss, images):
    """Logs the loss of a step, as Keras' own step does.

    `loss` is a scalar, the replica's part of the sum over the replicas;
    `images` is the number of its images.
    """
    keras_internals.log_loss(model, loss * num_replicas(), images)


def reducible(model, logs):
    """Gives the logs the form that Keras can reduce over several workers.

    Keras takes the mean over the first axis, which scalars do not have
    (github.com/keras-team/keras/issues/20585). Under a strategy of several
    workers the scalars become tensors `[1]`.
    """
    if num_workers(model.distribute_strategy) == 1:
        return logs
    return {name: tf.reshape(value, [1]) for name, value in logs.items()}


def _inner(optimizer):
    """The optimizer within a LossScaleOptimizer, else the optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _clipping(optimizer):
    """The name and the value of the clipping of an optimizer, or None."""
    for name in ("clipvalue", "clipnorm", "global_clipnorm"):
        value = getattr(_inner(optimizer), name, None)
        if value is not None:
            return name, value
    return None


def _clipped(gradients, clip, optimizer):
    """Clips the gradients' sum over the replicas as the optimizer does."""
    name, limit = clip
    # The gradients are those of the scaled loss.
    limit = limit * optimizer.scale_loss(tf.ones((), gradients[0].dtype))
    if name == "global_clipnorm":
        clipped, _ = tf.clip_by_global_norm(gradients, limit)
        return clipped
    if name == "clipnorm":
        return [tf.clip_by_norm(g, limit) for g in gradients]
    # The loss scaling must see what is not finite.
    return [
        tf.where(tf.math.is_finite(g), tf.clip_by_value(g, -limit, limit), g)
        for g in gradients
    ]
