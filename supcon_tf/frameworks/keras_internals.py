"""Every private name of Keras that this package uses, in one place.

Each function says why the public interface is not enough. Its test in
tests/frameworks/test_keras_internals.py fails once Keras has a public way: then
the function can go.
"""

import keras
from keras import ops

from supcon_tf.frameworks.backends import is_tensorflow, tf


def all_layers(layer):
    """A layer, and the layers inside it, at any depth.

    `keras.Model.layers` has the outermost ones alone.

    Args:
      layer: `keras.Layer`.

    Returns:
      A list of layers, the outer ones before those inside them.

    Example:
      >>> [type(layer).__name__ for layer in all_layers(keras.Sequential(
      ...     [keras.Input((2,)), keras.layers.Dense(1)]))]
      ['Sequential', 'InputLayer', 'Dense']
    """
    return layer._flatten_layers()


def clear_losses(layer):
    """Forgets what a layer, and those inside it, added with `add_loss`.

    Keras clears the losses of the outermost layer that is called, not those of
    a layer that it does not track.
    """
    layer._clear_losses()


def log_loss(model, loss, images):
    """Puts the loss of a step among the logs, as Keras' own step does.

    The metric `loss` has no public name.

    Args:
      model: `keras.Model` in its training step.
      loss: scalar, the mean over the images.
      images: how many images it is the mean of.
    """
    model._loss_tracker.update_state(loss, images)


def loss_weights_of(model):
    """The `loss_weights` that a model was compiled with, or None.

    The public `get_compile_config` also serialises the optimizer, which fails
    while a step is being traced.
    """
    return model._compile_config.config["loss_weights"]


def for_any_backend(model, config):
    """What a model was compiled with, as any backend can read it.

    Keras writes what `jit_compile="auto"` became: True on JAX, with which
    PyTorch then compiles each function of the model for minutes. And on PyTorch
    it writes the module of its own optimizers, which the others cannot import.

    Args:
      model: `keras.Model`.
      config: what `get_compile_config` returns.

    Returns:
      The config, with `jit_compile="auto"` where that is the same here, and
      with the public module of the optimizer.
    """
    if not config:
        return config
    config = _with_public_optimizers(config)
    if config["jit_compile"] == model._resolve_auto_jit_compile():
        config["jit_compile"] = "auto"
    return config


def _with_public_optimizers(config):
    """The dict with `keras.optimizers` for PyTorch's, at any depth."""
    config = {
        key: _with_public_optimizers(value)
        if isinstance(value, dict)
        else value
        for key, value in config.items()
    }
    if str(config.get("module")).startswith(_TORCH_OPTIMIZERS):
        config |= {"module": "keras.optimizers", "registered_name": None}
    return config


_TORCH_OPTIMIZERS = "keras.src.backend.torch.optimizers."


def metrics_of(model):
    """The metrics that a model was compiled with, as they were given.

    The public `metrics` has them only after the first step.

    Args:
      model: `keras.Model`, which may not be compiled.

    Returns:
      A dict of `metrics` and `weighted_metrics`; empty without a `compile`.
    """
    config = getattr(getattr(model, "_compile_config", None), "config", {})
    names = ("metrics", "weighted_metrics")
    return {name: config[name] for name in names if name in config}


def exclude_from_weight_decay(optimizer, variable):
    """Leaves one more variable out of an optimizer's own weight decay.

    The public `exclude_from_weight_decay` forgets what was left out before.

    Args:
      optimizer: a Keras optimizer, or a `LossScaleOptimizer` around one.
      variable: `keras.Variable`.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    excluded = getattr(optimizer, "_exclude_from_weight_decay", set())
    key = optimizer._var_key(variable)
    optimizer._exclude_from_weight_decay = excluded | {key}
    optimizer._exclude_from_weight_decay_cache = {}


def variable_index(optimizer, variable):
    """The place of a variable among those that an optimizer trains.

    A step gets each variable alone, on several replicas its copy there, and
    Keras has no public way to ask which one it is.

    Args:
      optimizer: a built Keras optimizer.
      variable: what its `update_step` gets.

    Returns:
      An int >= 0.
    """
    return optimizer._get_variable_index(variable)


def uses_weight_decay(optimizer, variable):
    """Whether `exclude_from_weight_decay` has not left a variable out.

    Keras has no public way to ask.

    Args:
      optimizer: a Keras optimizer.
      variable: `keras.Variable`, or its variable of TensorFlow.
    """
    return optimizer._use_weight_decay(variable)


def has_value(variable):
    """Whether a variable has a value, or will have one with its copy's.

    Under a strategy `fit` builds a model without giving its variables values
    yet. Keras has no public way to ask.
    """
    if not is_tensorflow() or not isinstance(variable._value, tf.Variable):
        return True
    return bool(variable._value.is_initialized())


def start_at(variable, other):
    """Gives a variable the value of another, now or when it gets one.

    Keras has no public way to say what value a variable will get later.
    """
    if variable._value is None:
        variable._initializer = lambda shape, dtype: ops.copy(
            ops.cast(other, dtype)
        )
    else:
        # JAX would give both one buffer, which a step may not change twice.
        variable.assign(ops.copy(other))


def in_safe_mode():
    """Whether a .keras file is being read in safe mode, True, False or None.

    A layer whose config names code must refuse it there, as Keras' own Lambda
    layer does.
    """
    from keras.src.saving import serialization_lib

    return serialization_lib.in_safe_mode()


def writes_hdf5():
    """Whether configs are being made in the older format of Keras, for HDF5.

    A model learns it in no other way: `keras.saving.save_model` asks it for
    nothing before it has begun the file.
    """
    from keras.src.backend.common import global_state

    return bool(global_state.get_global_attribute("use_legacy_config", False))


class BuiltFromSpecs(keras.Model):
    """A model that `fit` builds from the shapes of the batches, not a batch.

    Under a strategy Keras takes the mean over the replicas of the first batch.
    That fails if the batch is not divisible by them, and on several workers.
    """

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None and (
            not self.built or self._distribute_strategy is not None
        ):
            iterator, data_batch = None, _symbolic_batch(iterator)
        if not self.built:  # now: a graph has no values of weights to copy
            images, *_ = keras.utils.unpack_x_y_sample_weight(data_batch)
            self.build(keras.tree.map_structure(lambda x: x.shape, images))
        return super()._maybe_symbolic_build(iterator, data_batch)


def _symbolic_batch(iterator):
    """The structure of Keras' epoch iterator, as `KerasTensor`s."""

    def symbolic(spec):
        spec = getattr(spec, "_value_specs", (spec,))[0]  # of one replica
        if not hasattr(spec, "shape"):
            return None
        return keras.KerasTensor((None, *spec.shape[1:]), spec.dtype.name)

    return tf.nest.map_structure(
        symbolic, iterator._distributed_dataset.element_spec
    )
