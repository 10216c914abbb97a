"""The maps inside an encoder that others may want, by their usual names."""

import re

import keras

# What our own builders call the last layer of a part of the network.
_LAST_LAYERS = {
    r"group(\d+)_block\d+_out": "block_group{}",  # resnet.py
    r"block(\d+)_add2": "block{}",  # vit.py
}


def with_endpoints(encoder):
    """The encoder with its inner maps as further outputs.

    For what works on maps rather than on one vector an image: segmentation,
    detection, attention.

    Args:
      encoder: `keras.Model`, images -> representations `[B, R]`.

    Returns:
      A `keras.Model` that shares the encoder's layers: images -> dict of
      `features`, what the encoder returns, and, for the encoders of this
      package, the output of each part: `block_group1` to `block_group4` of a
      ResNet, `[B, h, w, C]`; `block1`, `block2`, ... of a ViT, the tokens
      `[B, 1 + N, D]`, class token first.

    Example:
      >>> encoder = encoders.resnet18((32, 32, 3), stem="small_image")
      >>> with_endpoints(encoder)(images)["block_group2"].shape
      TensorShape([1, 16, 16, 128])

    Reference:
      The names are those of the image models on TF-Hub.
    """
    if not getattr(encoder, "inputs", None):  # subclassed: no inner tensors
        return _FeaturesOnly(encoder)
    outputs = {}
    for layer in encoder.layers:
        for pattern, name in _LAST_LAYERS.items():
            match = re.fullmatch(pattern, layer.name)
            if match:  # of a group with several blocks, the last one stays
                outputs[name.format(match[1])] = layer.output
    outputs["features"] = encoder.outputs[0]
    return keras.Model(encoder.inputs[0], outputs, name=encoder.name)


class _FeaturesOnly(keras.Model):
    """An encoder whose inside is not known."""

    def __init__(self, encoder):
        super().__init__(name=encoder.name, autocast=False)
        self.encoder = encoder

    def call(self, images, training=None):
        """`[B, ...]` -> `{"features": [B, R]}`."""
        return {"features": self.encoder(images, training=training)}
