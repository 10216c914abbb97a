"""The random numbers of an image, the same ones as planes.py draws on the host.

`keras.random` takes one seed a call, and this one an image. Integers of 64 bits
are missing in JAX, unless it is told, and on some accelerators. So the numbers
are words: pairs (high, low) of int32, which wrap around.
"""

import zlib

import numpy as np
from keras import ops

_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 / golden ratio, odd
_MASK = 2**64 - 1


def uniform(seeds, draw, count):
    """Returns uniform numbers that depend on nothing but the seed and the draw.

    They are those of `planes.uniform`, to the last bit: SplitMix64, started at
    a hash of (draw, seed).

    Args:
      seeds: words `[B, 4]`, as `as_words` makes them.
      draw: string that names what the numbers decide.
      count: positive int, how many numbers per image.

    Returns:
      `[B, count]` float32 in [0, 1), multiples of 2**-24.

    Example:
      >>> uniform(as_words(np.array([[0, 1], [0, 2]])), "flip", 3).shape
      TensorShape([2, 3])

    Reference:
      Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, 2014
      (SplitMix64; the finaliser is Stafford's Mix13).
    """
    start = zlib.crc32(draw.encode()) * _GOLDEN & _MASK
    steps = [_words(i * _GOLDEN & _MASK) for i in range(1, count + 1)]
    # The three rounds add these to the state, [B, count] in the last of them.
    nothing = ops.zeros(count, "int32")
    first, second = (
        (seeds[:, i : i + 1] + nothing, seeds[:, i + 1 : i + 2] + nothing)
        for i in (0, 2)
    )
    steps = tuple(
        ops.convert_to_tensor(word) + 0 * first[0]
        for word in np.array(steps, np.int32).T
    )
    added = (_plus(first, _words(start)), second, steps)
    added = tuple(ops.stack(words) for words in zip(*added, strict=True))
    # The loop is one for XLA, too. It would else draw the number of an image
    # anew for each pixel.
    high, _ = ops.fori_loop(
        0,
        3,
        lambda i, bits: _mixed(_plus(bits, (added[0][i], added[1][i]))),
        (ops.zeros_like(first[0]), ops.zeros_like(first[0])),
    )
    # A float32 holds 24 bits exactly.
    return ops.cast(_right(high, 8), "float32") * 2.0**-24  # [B, count]


def as_words(seeds):
    """Takes integers apart into words.

    Args:
      seeds: `[B, N]` integers of 32 or 64 bits.

    Returns:
      `[B, 2 * N]` int32, the high and the low word of each.

    Example:
      >>> ops.convert_to_numpy(as_words(np.array([[7, -2]]))).tolist()
      [[0, 7, -1, -2]]
    """
    seeds = ops.convert_to_tensor(seeds)
    low = ops.cast(seeds, "int32")  # keeps the lowest 32 bits
    high = ops.right_shift(low, 31)  # the sign
    if "64" in str(seeds.dtype):
        high = ops.cast(ops.right_shift(seeds, 32), "int32")
    words = ops.stack([high, low], axis=-1)  # [B, N, 2]
    return ops.reshape(words, (-1, 2 * seeds.shape[1]))


def seeds_of_views(seed, numbers, views, *, is_small=False):
    """The seeds of all views of each image, as `data.views` gives them.

    View v of image k has the seed (seed, k * V + v). A small view has
    (seed, -1 - (k * V + v)), and so shares none with the others.

    Args:
      seed: int, of the run.
      numbers: `[B]` integers >= 0, the places of the images in the stream.
      views: V, int >= 1.
      is_small: whether the views are the small ones.

    Returns:
      Words `[B * V, 4]`.

    Example:
      >>> words = seeds_of_views(7, np.array([0, 3]), 2)
      >>> ops.convert_to_numpy(words)[:, 3].tolist()
      [0, 1, 6, 7]
    """
    high, low = ops.split(as_words(ops.reshape(numbers, (-1, 1))), 2, axis=1)
    number = _plus(
        _times((high, low), views),
        (ops.zeros(views, "int32"), ops.arange(views, dtype="int32")),
    )  # [B, V]
    if is_small:  # -1 - x has all bits of x turned over
        number = tuple(ops.bitwise_not(word) for word in number)
    first = [ops.full_like(number[0], word) for word in _words(seed & _MASK)]
    words = [*first, *number]
    return ops.reshape(ops.stack(words, axis=-1), (-1, 4))


def _mixed(bits):
    """Finalises bits as SplitMix64 does."""
    bits = _times(_folded(bits, 30), 0xBF58476D1CE4E5B9)
    bits = _times(_folded(bits, 27), 0x94D049BB133111EB)
    return _folded(bits, 31)


def _folded(bits, count):
    """`bits ^ (bits >> count)`, for a count below 32."""
    high, low = bits
    carried = ops.left_shift(high, 32 - count)
    shifted = ops.bitwise_or(_right(low, count), carried)
    return (
        ops.bitwise_xor(high, _right(high, count)),
        ops.bitwise_xor(low, shifted),
    )


def _plus(a, b):
    """The sum of two numbers, without what leaves 64 bits."""
    low = a[1] + b[1]
    # The carry is the majority of the highest bits of a, b and not the sum.
    carry = ops.bitwise_or(
        ops.bitwise_and(a[1], b[1]),
        ops.bitwise_and(ops.bitwise_or(a[1], b[1]), ops.bitwise_not(low)),
    )
    return a[0] + b[0] + _right(carry, 31), low


def _times(bits, factor):
    """The product with an int >= 0, without what leaves 64 bits."""
    high, low = bits
    factor_high, factor_low = _words(factor)
    return (
        _high_product(low, factor & 0xFFFFFFFF)
        + low * factor_high
        + high * factor_low,
        low * factor_low,
    )


def _high_product(word, factor):
    """The high word of a product, in halves of 16 bits; both unsigned."""
    top, bottom = factor >> 16, factor & 0xFFFF
    high, low = _right(word, 16), ops.bitwise_and(word, 0xFFFF)
    lowest = low * _signed(bottom)
    left, right = high * _signed(bottom), low * _signed(top)
    middle = _right(lowest, 16) + _half(left) + _half(right)
    return (
        high * _signed(top)
        + _right(left, 16)
        + _right(right, 16)
        + _right(middle, 16)
    )


def _half(word):
    return ops.bitwise_and(word, 0xFFFF)


def _right(word, count):
    """Shifts right and fills with zeros."""
    return ops.bitwise_and(ops.right_shift(word, count), 2 ** (32 - count) - 1)


def _words(number):
    """The words of an int in [0, 2**64), as signed ints."""
    return _signed(number >> 32), _signed(number & 0xFFFFFFFF)


def _signed(word):
    return word - 2**32 if word >= 2**31 else word
