"""Gives access to the maps inside an encoder by their usual names."""

import re

import keras

# The names that our own builders give the last layer of a part of the network.
_LAST_LAYERS = {
    r"group(\d+)_block\d+_out": "block_group{}",  # resnet.py
    r"block(\d+)_add2": "block{}",  # vit.py
}


def with_endpoints(encoder):
    """Makes a model that returns the encoder's inner maps besides its output.

    Segmentation, detection and attention work on maps rather than on one vector
    per image.

    Args:
      encoder: `keras.Model`, images -> representations `[B, R]`.

    Returns:
      A `keras.Model` that shares the encoder's layers and returns a dict.
      `features` is the encoder's output. The encoders of this package add the
      output of each of their parts. A ResNet has `block_group1` to
      `block_group4`, maps `[B, h, w, C]`. A ViT has `block1`, `block2` and so
      on, tokens `[B, 1 + N, D]` with the class token first.

    Example:
      >>> encoder = encoders.resnet18(
      ...     (32, 32, 3), width=0.25, stem="small_image"
      ... )
      >>> with_endpoints(encoder)(images)["block_group2"].shape
      TensorShape([8, 16, 16, 32])

    Reference:
      The names are those of the image models on TF-Hub.
    """
    if not getattr(encoder, "inputs", None):  # a subclass has no inner tensors
        return _FeaturesOnly(encoder)
    outputs = {}
    for layer in encoder.layers:
        for pattern, name in _LAST_LAYERS.items():
            match = re.fullmatch(pattern, layer.name)
            if match:  # a later block of the same group replaces the earlier
                outputs[name.format(match[1])] = layer.output
    outputs["features"] = encoder.outputs[0]
    return keras.Model(encoder.inputs[0], outputs, name=encoder.name)


class _FeaturesOnly(keras.Model):
    """Wraps an encoder whose inner layers are not known."""

    def __init__(self, encoder):
        super().__init__(name=encoder.name, autocast=False)
        self.encoder = encoder

    def call(self, images, training=None):
        """Maps images `[B, ...]` to `{"features": [B, R]}`."""
        return {"features": self.encoder(images, training=training)}
