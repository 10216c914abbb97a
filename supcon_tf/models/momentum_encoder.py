"""What small batches borrow from the past: a slow encoder, a labelled queue."""

import contextlib
import numbers

import keras
import tensorflow as tf
from keras import ops

from supcon_tf.keras_internals import clear_losses, has_value, start_at


@keras.saving.register_keras_serializable("supcon_tf")
class MomentumEncoder(keras.layers.Layer):
    """A copy of an encoder (and its head) whose weights follow slowly.

    Projections that are kept over many steps must be comparable: they are made
    by the copy, whose weights w' are the moving average of the weights w:

        w' <- m w' + (1 - m) w        (`update`, after each step)

    This holds for the trainable weights. Other state, as the moving averages of
    BatchNormalization, the copy keeps itself, in its own forward. It has no
    trainable weights and passes on no gradient, whatever `trainable` is set to;
    in training mode its BatchNormalization normalises by the batch like that of
    the encoder. Losses that its layers add are dropped.

    A model that has one creates it in its `__init__` and calls `follow` in its
    `build`, once the layers are built: the copy is then saved and loaded with
    the model. As `fit` may build a model while it traces a step, all of such a
    `build` belongs into a `tf.init_scope()`.

    Args:
      momentum: float m in [0, 1), 0.999 as in MoCo; larger follows more slowly.

    Call arguments:
      inputs: `[B, ...]`, as the first of the layers takes them.
      training: whether layers such as BatchNormalization are in their training
        mode.

    Returns:
      What the copies give, one after the other.

    Raises:
      ValueError: if `momentum` is not in [0, 1), or if it is called before
        there is anything to follow.

    Example:
      >>> momentum_encoder = MomentumEncoder(0.999)
      >>> momentum_encoder.follow([encoder, projection_head])
      >>> projections = momentum_encoder(images, training=True)
      >>> momentum_encoder.update([encoder, projection_head])

    Reference:
      He et al., "Momentum Contrast for Unsupervised Visual Representation
      Learning", CVPR 2020, https://arxiv.org/abs/1911.05722
    """

    def __init__(self, momentum=0.999, **kwargs):
        # The copies get the inputs as they are, and cast them as the layers do.
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
        """Copies layers, with their weights; to be called once.

        Args:
          layers: list of built Keras layers or models, such as
            `[encoder, projection_head]`; None stands for nothing. Each one's
            `get_config` must be complete.

        Raises:
          ValueError: if a layer cannot be copied, or it follows some already.
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
            # (The weights, not the layers: a BatchNormalization that is not
            # trainable uses its moving averages, in training mode, too.)
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
                    # (Equal weights stay equal, to the last bit.)
                    step = (1 - self.momentum) * (weight - slow)
                    slow.assign(slow + step)

    def build(self, input_shape):
        """Refuses: what to copy only `follow` knows."""
        del input_shape
        raise ValueError(
            "MomentumEncoder must be given layers by `follow` first. "
            "Received: a call before that"
        )

    def call(self, inputs, training=None):
        """`[B, ...]` inputs -> outputs of the last copy."""
        x = inputs
        for copy in self.copies:
            if copy is not None:
                x = copy(x, training=training)
        # What regularises the encoder is counted there. Keras collects such
        # losses from all sublayers, and has no public way to leave some out.
        clear_losses(self)
        return ops.stop_gradient(x)

    @property
    def trainable(self):
        """Has no effect: the copy is never trained."""
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        # Keras would make the weights trainable with the model around them.
        self._trainable = bool(value)

    def get_config(self):
        """Every argument of the constructor."""
        return {**super().get_config(), "momentum": self.momentum}


def _copy(layer):
    """A layer of the same config and weights, which shares nothing."""
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
            # (By a call: some layers have no `build`, and make others in it.)
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
    """Where values can be copied, also while a step is being traced."""
    if keras.backend.backend() == "tensorflow":
        return tf.init_scope()
    return contextlib.nullcontext()
