"""Vision Transformers of the sizes Ti, S and B, with any patch size.

They consist of Keras' own layers only, so that a saved encoder needs nothing of
this package to be loaded. An encoder maps float32 RGB images in [0, 1] to
representations and contains its own normalisation.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from supcon_tf.encoders.normalization import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    check_normalization,
    normalized,
)
from supcon_tf.encoders.variants import variant_of
from supcon_tf.errors import check_int

# The values of the paper's code.
_BIAS_INITIALIZER = {"class_name": "RandomNormal", "config": {"stddev": 1e-6}}
_POSITION_INITIALIZER = {
    "class_name": "RandomNormal",
    "config": {"stddev": 0.02},
}


def vit(
    input_shape: tuple[int | None, int | None, int],
    *,
    patch_size: int = 16,
    hidden_size: int,
    depth: int,
    num_heads: int,
    mlp_size: int,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    dropout: float = 0.0,
    name: str | None = None,
) -> keras.Model:
    """Makes a Vision Transformer without its classifier.

    The image is cut into N patches, and a linear map makes a token of each. A
    learned class token goes before them, and a learned embedding of its
    position is added to every token:

        x = [class token; patches W + b] + positions            [B, 1 + N, D]
        x = x + attention(norm(x));  x = x + mlp(norm(x))       `depth` times
        representation = norm(x)[:, 0]                          [B, D]

    The positions belong to one image size, so an encoder takes only images of
    `input_shape`.

    Args:
      input_shape: `(height, width, 3)` of the images, whose height and width
        are multiples of the patch size.
      patch_size: int >= 1, the side of a patch in pixels. The paper takes 16
        for images of 224 pixels. A patch size of 4 cuts a 32 x 32 image into
        64 patches.
      hidden_size: int D >= 1, the size of a token, a multiple of `num_heads`.
      depth: int >= 1, the number of blocks.
      num_heads: int >= 1, the number of attention heads.
      mlp_size: int >= 1, the units of the hidden layer of each block's MLP.
      mean: three floats, the RGB mean of the training images, in [0, 1].
      std: three positive floats, their standard deviation.
      dropout: float in [0, 1), the share of the values that are dropped in
        training after the embedding, the attention and each layer of the MLP.
      name: name of the model.

    Returns:
      A `keras.Model`: float32 RGB images `[B, height, width, 3]` in [0, 1] ->
      float32 representations `[B, hidden_size]`. Divide
      uint8 by 255 yourself: Keras casts integers to float32 before the first
      layer, which cannot tell them from floats.

    Raises:
      ValueError: if an argument is out of its range.

    Example:
      >>> encoder = vit_ti16((32, 32, 3), patch_size=4)
      >>> encoder.output_shape
      (None, 192)

    References:
      Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021. The sizes
      Ti and S are from Touvron et al., arXiv 2012.12877.
    """
    sizes = {
        "patch_size": patch_size,
        "hidden_size": hidden_size,
        "depth": depth,
        "num_heads": num_heads,
        "mlp_size": mlp_size,
    }
    _check(input_shape, sizes, mean, std, dropout)
    norm = functools.partial(layers.LayerNormalization, epsilon=1e-6)
    images = keras.Input(input_shape, name="images")
    x = normalized(images, mean, std)
    x = _patch_tokens(x, patch_size, hidden_size)  # [B, N, D]
    # The class token and the positions depend on no image, so they are learned
    # as linear maps of the number 1.
    one = ops.ones_like(x[:, 0, :1])  # [B, 1]
    class_token = _table(1, hidden_size, "zeros", "class_token")(one)
    x = layers.Concatenate(axis=1, name="tokens")([class_token, x])
    positions = _table(
        x.shape[1], hidden_size, _POSITION_INITIALIZER, "position_embedding"
    )(one)
    x = layers.Add(name="embedding")([x, positions])  # [B, 1 + N, D]
    x = layers.Dropout(dropout, name="embedding_dropout")(x)
    for index in range(1, depth + 1):
        x = _block(x, norm, num_heads, mlp_size, dropout, f"block{index}")
    x = norm(name="representation", dtype="float32")(x[:, 0])
    return keras.Model(images, x, name=name)


@variant_of(vit)
def vit_ti16(
    input_shape: tuple[int | None, int | None, int], **options: Any
) -> keras.Model:
    """Makes a ViT-Ti of 5.5 M parameters.

    Args:
      input_shape: as in `vit`.
      **options: as in `vit`.

    Returns:
      A `keras.Model`, images -> representations `[B, 192]`.
    """
    return vit(
        input_shape,
        hidden_size=192,
        depth=12,
        num_heads=3,
        mlp_size=768,
        **{"name": "vit_ti16", **options},
    )


@variant_of(vit)
def vit_s16(
    input_shape: tuple[int | None, int | None, int], **options: Any
) -> keras.Model:
    """Makes a ViT-S of 21.7 M parameters.

    Args:
      input_shape: as in `vit`.
      **options: as in `vit`.

    Returns:
      A `keras.Model`, images -> representations `[B, 384]`.
    """
    return vit(
        input_shape,
        hidden_size=384,
        depth=12,
        num_heads=6,
        mlp_size=1536,
        **{"name": "vit_s16", **options},
    )


@variant_of(vit)
def vit_b16(
    input_shape: tuple[int | None, int | None, int], **options: Any
) -> keras.Model:
    """Makes a ViT-B of 85.8 M parameters.

    Args:
      input_shape: as in `vit`.
      **options: as in `vit`.

    Returns:
      A `keras.Model`, images -> representations `[B, 768]`.
    """
    return vit(
        input_shape,
        hidden_size=768,
        depth=12,
        num_heads=12,
        mlp_size=3072,
        **{"name": "vit_b16", **options},
    )


def _patch_tokens(x, size, dim):
    """Maps `[B, height, width, 3]` to tokens `[B, N, dim]`, row by row."""
    rows, columns = x.shape[1] // size, x.shape[2] // size
    x = layers.Reshape((rows, size, columns, size, 3), name="patches")(x)
    # The paper's convolution, written as the product that it is. TensorFlow's
    # convolution fails on a CPU for an empty batch, which a replica can get.
    x = layers.EinsumDense(
        "brpcqi,pqid->brcd",
        output_shape=(rows, columns, dim),
        bias_axes="d",
        kernel_initializer="lecun_normal",
        name="patch_embedding",
    )(x)
    return layers.Reshape((rows * columns, dim), name="patch_tokens")(x)


def _table(rows, dim, initializer, name):
    """A layer that maps `[B, 1]` ones to its kernel, `[B, rows, dim]`."""
    return layers.EinsumDense(
        "bi,rd->brd",
        output_shape=(rows, dim),
        kernel_initializer=initializer,
        name=name,
    )


def _block(x, norm, num_heads, mlp_size, dropout, name):
    """Attention among the tokens and an MLP on each, both as residuals."""
    dim = x.shape[-1]
    y = norm(name=f"{name}_norm1")(x)
    y = layers.MultiHeadAttention(
        num_heads,
        dim // num_heads,
        kernel_initializer=_glorot_uniform(dim),
        name=f"{name}_attention",
    )(y, y)
    y = layers.Dropout(dropout, name=f"{name}_attention_dropout")(y)
    x = layers.Add(name=f"{name}_add1")([x, y])
    y = norm(name=f"{name}_norm2")(x)
    dense = functools.partial(layers.Dense, bias_initializer=_BIAS_INITIALIZER)
    y = dense(mlp_size, name=f"{name}_dense1")(y)
    y = layers.Activation("gelu", name=f"{name}_gelu")(y)
    y = layers.Dropout(dropout, name=f"{name}_dropout1")(y)
    y = dense(dim, name=f"{name}_dense2")(y)
    y = layers.Dropout(dropout, name=f"{name}_dropout2")(y)
    return layers.Add(name=f"{name}_add2")([x, y])


def _glorot_uniform(dim):
    """Glorot's initialisation of a `[dim, dim]` matrix."""
    # Keras' own mistakes the `[dim, heads, dim / heads]` kernels of the
    # attention for those of a convolution and makes them several times too
    # small.
    limit = math.sqrt(6 / (dim + dim))
    return keras.initializers.RandomUniform(-limit, limit)


def _check(input_shape, sizes, mean, std, dropout):
    for name, value in sizes.items():
        check_int(name, value, 1)
    size = sizes["patch_size"]
    if (
        len(input_shape) != 3
        or input_shape[-1] != 3
        or not all(input_shape)
        or any(pixels % size for pixels in input_shape[:2])
    ):
        raise ValueError(
            "`input_shape` must be (height, width, 3), the first two multiples "
            f"of patch_size={size}. Received: input_shape={tuple(input_shape)}"
        )
    if sizes["hidden_size"] % sizes["num_heads"]:
        raise ValueError(
            "`hidden_size` must be a multiple of num_heads="
            f"{sizes['num_heads']}. "
            f"Received: hidden_size={sizes['hidden_size']}"
        )
    check_normalization(mean, std)
    if not 0 <= dropout < 1:
        raise ValueError(
            f"`dropout` must be in [0, 1). Received: dropout={dropout}"
        )
