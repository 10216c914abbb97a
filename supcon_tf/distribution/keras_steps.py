"""What a Keras model needs to train right on several replicas.

Keras 3 leaves some of it undone; where an issue is open, its place names it.
Nothing here changes a step on one replica.
"""

import contextlib
import warnings

import keras
import tensorflow as tf

from supcon_tf import keras_internals
from supcon_tf.distribution.collectives import num_replicas, sum_over_replicas
from supcon_tf.distribution.workers import num_workers


def scope_of(model):
    """The scope of the strategy in which a model was made, if not in it.

    Variables that are made later, when the model is built, belong there, too.

    Args:
      model: `keras.Model`.

    Returns:
      A context manager.
    """
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None or tf.distribute.has_strategy():
        return contextlib.nullcontext()
    return strategy.scope()


def check_compiled(model):
    """Refuses settings of `compile` that fail or err on several replicas.

    Args:
      model: compiled `keras.Model`.

    Raises:
      ValueError: if there is such a setting, and the model has several
        replicas.
    """
    if keras.backend.backend() != "tensorflow":
        return
    count = model.distribute_strategy.num_replicas_in_sync
    if count == 1:
        return
    for weight in model.weights:
        extended = model.distribute_strategy.extended
        if not extended.variable_created_in_scope(weight.value):
            raise ValueError(
                "The encoder and the head must be made in the scope of the "
                f"strategy, as the model. Received: {weight.path} from outside"
            )
    optimizer = _inner(model.optimizer)
    accumulation = getattr(optimizer, "gradient_accumulation_steps", None)
    for name, is_refused, value, allowed in (
        # The compiled step reads variables of other replicas' devices.
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

    Each image would be contrasted with its own copies, as positives.

    Args:
      model: `keras.Model`.
      name: of the method.
      instead: of the one to use.

    Raises:
      ValueError: if the model has several replicas.
    """
    count = model.distribute_strategy.num_replicas_in_sync
    if keras.backend.backend() == "tensorflow" and count > 1:
        raise ValueError(
            f"`{name}` must be `{instead}` on several replicas, such as "
            f"{instead}(..., batch_size=len(x)): it does not share a batch "
            f"among them. Received: {name}, {count} replicas"
        )


def moving_averages(model, images):
    """What an empty part of the batch would make NaN for good.

    BatchNormalization takes the mean over no image, unless it is synchronised.

    Args:
      model: `keras.Model`.
      images: `[b, ...]`, the replica's part.

    Returns:
      Pairs of such a variable and its value; an empty list where b is known,
      or there is one replica.
    """
    # (All must do the same. Eagerly each knows its own b, not the others'.)
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
    """Sets back what is not finite after a step, as if it had not been there.

    Args:
      averages: what `moving_averages` returned before the step.
    """
    for variable, before in averages:
        now = tf.convert_to_tensor(variable)
        is_finite = tf.reduce_all(tf.math.is_finite(now))
        variable.assign(tf.where(is_finite, now, before))


def without_empty(gradients, images):
    """The gradients, 0 on a replica that has no images.

    Args:
      gradients: list of tensors or None.
      images: `[b, ...]`, the replica's part.
    """
    if num_replicas() == 1:
        return gradients
    has_images = tf.shape(images)[0] > 0
    return [
        None if g is None else tf.where(has_images, g, tf.zeros_like(g))
        for g in gradients
    ]


def apply_gradients(optimizer, gradients, variables):
    """`optimizer.apply_gradients`, with the replicas' sum where Keras errs.

    Keras clips each replica's gradients before it adds them up, and looks for
    infinities of a scaled float16 loss in the first replica's alone. Where
    there is clipping or scaling the gradients are added up first: each replica
    then hands in an equal part of the sum.

    Args:
      optimizer: `keras.optimizers.Optimizer`.
      gradients: list of tensors or None.
      variables: as many variables.
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

    Args:
      model: `keras.Model`.
      loss: scalar, the replica's part of the sum over the replicas.
      images: how many images the replica has.
    """
    keras_internals.log_loss(model, loss * num_replicas(), images)


def reducible(model, logs):
    """Logs in the form in which Keras can reduce them over several workers.

    It takes the mean over their first axis, which scalars do not have
    (github.com/keras-team/keras/issues/20585).

    Args:
      model: `keras.Model`.
      logs: dict of scalars.

    Returns:
      The dict; of tensors `[1]` under a strategy of several workers.
    """
    if num_workers(model.distribute_strategy) == 1:
        return logs
    return {name: tf.reshape(value, [1]) for name, value in logs.items()}


def _inner(optimizer):
    """The optimizer within a LossScaleOptimizer, else the optimizer."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _clipping(optimizer):
    """The name and value of the one clipping of an optimizer, or None."""
    for name in ("clipvalue", "clipnorm", "global_clipnorm"):
        value = getattr(_inner(optimizer), name, None)
        if value is not None:
            return name, value
    return None


def _clipped(gradients, clip, optimizer):
    """What the optimizer's clipping makes of the sum over the replicas."""
    name, limit = clip
    # The gradients are those of the scaled loss.
    limit = limit * optimizer.scale_loss(tf.ones((), gradients[0].dtype))
    if name == "global_clipnorm":
        clipped, _ = tf.clip_by_global_norm(gradients, limit)
        return clipped
    if name == "clipnorm":
        return [tf.clip_by_norm(g, limit) for g in gradients]
    # (What is not finite must be seen by the loss scaling.)
    return [
        tf.where(tf.math.is_finite(g), tf.clip_by_value(g, -limit, limit), g)
        for g in gradients
    ]
