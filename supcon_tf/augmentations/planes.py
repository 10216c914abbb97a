"""Draws random numbers per image, and turns images into planes and back.

An operation takes a batch and draws its parameters per image. It works on
planes `[B, C, H, W]`, since contiguous channels are faster than interleaved
ones. All is made for tf.data on the CPU. XLA cannot compile it, since `on_some`
has a dynamic shape.
"""

import zlib

import numpy as np

from supcon_tf.frameworks.backends import tf


def uniform(seeds, draw, count):
    """Returns uniform numbers that depend on nothing but the seed and the draw.

    `tf.random.stateless_*` takes one seed per call, and this one per image. It
    is the SplitMix64 generator, started at a hash of (draw, seed).

    Args:
      seeds: `[B, 2]` int32 or int64, one row per image.
      draw: string that names what the numbers decide. Another name gives other
        numbers; the same name and seed give the same numbers.
      count: positive int, how many numbers per image.

    Returns:
      `[B, count]` float32 in [0, 1), multiples of 2**-24.

    Example:
      >>> uniform([[0, 1], [0, 2]], "flip", 3).numpy().round(3)
      array([[0.245, 0.333, 0.119],
             [0.551, 0.194, 0.355]], dtype=float32)

    Reference:
      Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, 2014
      (SplitMix64; the finaliser is Stafford's Mix13).
    """
    golden = 0x9E3779B97F4A7C15  # 2**64 / golden ratio, odd
    start = zlib.crc32(draw.encode()) * golden % 2**64
    # NumPy's uint64, since tf.function rounds a list of such ints to float64.
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(golden)
    first, second = tf.unstack(
        tf.bitcast(tf.cast(seeds, tf.int64), tf.uint64), axis=1
    )
    state = _mix(_mix(first + np.uint64(start)) + second)  # [B]
    bits = _mix(state[:, None] + steps)  # [B, count]
    # A float32 holds 24 bits exactly.
    return tf.cast(_right_shift(bits, 40), tf.float32) * 2.0**-24


def on_some(chosen, operation, planes, *parameters):
    """Applies an operation to the chosen images and leaves the others alone.

    Args:
      chosen: `[B]` booleans.
      operation: function (planes, *parameters) -> planes of the same shape.
      planes: `[B, C, H, W]`.
      *parameters: tensors `[B, ...]`, one row per image.

    Returns:
      `[B, C, H, W]`, like `planes`.

    Example:
      >>> planes = tf.ones([2, 3, 32, 32])
      >>> darker = on_some([True, False], lambda x: 0.5 * x, planes)
      >>> darker[:, 0, 0, 0].numpy()
      array([0.5, 1. ], dtype=float32)
    """
    rows = tf.where(chosen)  # [chosen, 1]
    changed = operation(
        tf.gather_nd(planes, rows), *(tf.gather_nd(p, rows) for p in parameters)
    )
    return tf.tensor_scatter_nd_update(planes, rows, changed)


def clip(planes):
    """Clips to [0, 1] in one pass, where `tf.clip_by_value` takes two.

    Args:
      planes: floats of any shape.

    Returns:
      Floats in [0, 1] of the same shape.

    Example:
      >>> clip(tf.constant([-0.5, 0.5, 1.5])).numpy()
      array([0. , 0.5, 1. ], dtype=float32)
    """
    return tf.raw_ops.ClipByValue(
        t=planes, clip_value_min=0.0, clip_value_max=1.0
    )


def to_planes(images):
    """Converts images with the channels last to float planes.

    Args:
      images: `[B, H, W, C]` uint8 in 0..255, or floats in [0, 1].

    Returns:
      `[B, C, H, W]` float32 in [0, 1].

    Example:
      >>> to_planes(tf.zeros([8, 32, 48, 3], tf.uint8)).shape
      TensorShape([8, 3, 32, 48])
    """
    planes = tf.transpose(
        images, [0, 3, 1, 2]
    )  # before the cast, at 1 byte each
    if planes.dtype == tf.uint8:
        return tf.cast(planes, tf.float32) / 255.0
    return tf.cast(planes, tf.float32)


def to_images(planes):
    """Converts planes to images with the channels last, and keeps the values.

    Args:
      planes: `[B, C, H, W]` of any dtype.

    Returns:
      `[B, H, W, C]` of the same dtype.

    Example:
      >>> to_images(tf.zeros([8, 3, 32, 48])).shape
      TensorShape([8, 32, 48, 3])
    """
    return tf.transpose(planes, [0, 2, 3, 1])


def _mix(bits):
    """Finalises bits as SplitMix64 does, in uint64 that wraps around."""
    bits = (bits ^ _right_shift(bits, 30)) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ _right_shift(bits, 27)) * np.uint64(0x94D049BB133111EB)
    return bits ^ _right_shift(bits, 31)


def _right_shift(bits, count):
    return tf.bitwise.right_shift(bits, np.uint64(count))
