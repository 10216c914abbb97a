"""MomentumEncoder: a copy of an encoder that follows it slowly."""

import contextlib
import numbers

import keras
from keras import ops

from supcon_tf.frameworks.backends import is_tensorflow, tf
from supcon_tf.frameworks.keras_internals import (
    clear_losses,
    has_value,
    start_at,
)


@keras.saving.register_keras_serializable("supcon_tf")
class MomentumEncoder(keras.layers.Layer):
    """A copy of an encoder (and its head) whose weights follow slowly.

    Projections that are kept over many steps must be comparable. For this
    reason the copy makes them. Its weights w' are the moving average of the
    weights w:

        w' <- m w' + (1 - m) w        (`update`, after each step)

    This holds for the trainable weights. Other state, such as the moving
    averages of BatchNormalization, is the copy's own and comes from its own
    forward passes. In training mode its BatchNormalization normalises by the
    batch, like that of the encoder. The copy has no trainable weights and
    passes on no gradient, whatever `trainable` is set to. Losses that its
    layers add are dropped.

    A model creates it in its `__init__` and calls `follow` in its `build`, once
    the layers are built. The copy is then saved and loaded with the model.
    Since `fit` may build a model while it traces a step, the whole of such a
    `build` belongs into a `tf.init_scope()`.

    Args:
      momentum: float m in [0, 1), 0.999 as in MoCo. With a larger momentum the
        copy follows more slowly.

    Call arguments:
      inputs: `[B, ...]`, as the first of the layers takes them.
      training: whether layers such as BatchNormalization are in their training
        mode.

    Returns:
      The output of the last copy, when the copies are applied one after the
      other.

    Raises:
      ValueError: if `momentum` is not in [0, 1), or if it is called before
        `follow`.

    Example:
      >>> momentum_encoder = MomentumEncoder(0.999)
      >>> momentum_encoder.follow([encoder])
      >>> momentum_encoder(images, training=True).shape
      TensorShape([8, 8])
      >>> momentum_encoder.update([encoder])

    Reference:
      He et al., "Momentum Contrast for Unsupervised Visual Representation
      Learning", CVPR 2020, https://arxiv.org/abs/1911.05722
    """

    def __init__(self, momentum=0.999, **kwargs):
        # The copies get the inputs uncast, and cast them as the layers do.
        super().__init__(autocast=False, **kwargs)
        if (
            not isinstance(momentum, numbers.Real)
            or isinstance(momentum, bool)
            or not 0 <= momentum < 1
        ):
            raise ValueError(
                "`momentum` must be a number in [0, 1). "
                f"Received: momentum={momentum!r}"
            )
        self.momentum = momentum
        self.copies = []

    def follow(self, layers):
        """Copies layers with their weights. It must be called once.

        Args:
          layers: list of built Keras layers or models, such as `[encoder,
            projection_head]`. None in the list stands for no layer. The
            `get_config` of each layer must be complete.

        Raises:
          ValueError: if a layer cannot be copied, or on a second call.
        """
        if self.built:
            raise ValueError(
                "`follow` must be called once. Received: a second call"
            )
        with _outside_of_graphs():
            self.copies = [
                None if layer is None else _copy(layer) for layer in layers
            ]
        for weight in self.weights:
            # The weights are frozen, not the layers. A BatchNormalization that
            # is not trainable uses its moving averages even in training mode.
            weight.trainable = False
        self.built = True

    def update(self, layers):
        """Moves the trainable weights towards those of `layers`.

        Args:
          layers: the list that was given to `follow`.
        """
        for copy, layer in zip(self.copies, layers, strict=True):
            if layer is None:
                continue
            for slow, weight in zip(copy.weights, layer.weights, strict=True):
                if weight.trainable:
                    # In this form equal weights stay equal to the last bit.
                    step = (1 - self.momentum) * (weight - slow)
                    slow.assign(slow + step)

    def build(self, input_shape):
        """Raises a ValueError: only `follow` knows what to copy."""
        del input_shape
        raise ValueError(
            "MomentumEncoder must be given layers by `follow` first. "
            "Received: a call before that"
        )

    def call(self, inputs, training=None):
        """Applies the copies one after the other to `[B, ...]` inputs."""
        x = inputs
        for copy in self.copies:
            if copy is not None:
                x = copy(x, training=training)
        # The encoder already counts its regularisers. Keras collects such
        # losses from all sublayers, and has no public way to leave some out.
        clear_losses(self)
        return ops.stop_gradient(x)

    @property
    def trainable(self):
        """This has no effect, since the copy is never trained."""
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        # Keras would make the weights trainable together with the outer model.
        self._trainable = bool(value)

    def get_config(self):
        """Returns every argument of the constructor."""
        return {**super().get_config(), "momentum": self.momentum}


def _copy(layer):
    """A new layer of the same config and weights, which shares nothing."""
    if not (layer.built and all(map(has_value, layer.weights))):
        raise ValueError(
            "`layers` must be built before they are copied, and, inside of a "
            f"tf.function, within tf.init_scope(). Received: {layer}"
        )
    try:
        if isinstance(layer, keras.Model):
            copy = keras.models.clone_model(layer)
        else:
            copy = type(layer).from_config(layer.get_config())
        if not copy.built:
            # A call builds it, since some layers have no `build` of their own
            # and make other layers in the call.
            copy(keras.KerasTensor(layer.get_build_config()["input_shape"]))
        for slow, weight in zip(copy.weights, layer.weights, strict=True):
            start_at(slow, weight)
    except Exception as error:
        raise ValueError(
            "`layers` must have a get_config from which they can be made again."
            f" Received: {layer}, which raised {error!r}"
        ) from error
    return copy


def _outside_of_graphs():
    """A context in which values can be copied while a step is being traced."""
    return tf.init_scope() if is_tensorflow() else contextlib.nullcontext()
