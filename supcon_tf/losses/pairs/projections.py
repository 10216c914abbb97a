"""Converts projections of every form that a loss takes to unit vectors."""

import keras
from keras import ops

from supcon_tf.frameworks.backends import custom_gradient

# Largest finite and smallest normal numbers.
_LARGEST = {
    "float16": 65504.0,
    "bfloat16": 3.3895313892515355e38,
    "float32": 3.4028234663852886e38,
    "float64": 1.7976931348623157e308,
}
_SMALLEST_NORMAL = {
    "float32": 1.1754943508222875e-38,
    "float64": 2.2250738585072014e-308,
}


def as_views(projections):
    """`[B, D]` or `[B, V, D]` -> `[B, V, D]`, in at least float32.

    The gradient of half-precision projections is clipped to their finite range
    before it is cast back, so that it is large but not infinite. With float16
    and loss scaling, the scaling then does not see the overflow and does not
    lower its scale. ProjectionHead returns float32, which has no such limit.

    Args:
      projections: `[B, V, D]` floats, or `[B, D]`, which is one view.

    Returns:
      `[B, V, D]` floats, float64 if the projections are float64, else float32.

    Raises:
      ValueError: if the shape is another, or if V or D is unknown or 0.

    Example:
      >>> as_views(np.zeros((8, 128), "float16")).shape
      TensorShape([8, 1, 128])
    """
    projections = ops.convert_to_tensor(projections)
    rank = getattr(projections.shape, "rank", 0)
    shape = () if rank is None else tuple(projections.shape)
    if len(shape) not in (2, 3):
        raise ValueError(
            "`projections` must have shape [B, V, D] or [B, D]. "
            f"Received: shape={shape}"
        )
    if None in shape[1:] or 0 in shape[1:]:
        raise ValueError(
            "`projections` must have known numbers of views and dimensions, "
            "each >= 1; only the batch size may be None. "
            f"Received: shape={shape}"
        )
    dtype = keras.backend.standardize_dtype(projections.dtype)
    if "float" not in dtype:
        if "complex" in dtype:
            raise ValueError(
                f"`projections` must be floats. Received: dtype={dtype}"
            )
        projections = ops.cast(projections, keras.backend.floatx())
    views = shape[1] if len(shape) == 3 else 1
    return _in_full_precision(ops.reshape(projections, (-1, views, shape[-1])))


def unit_length(vectors):
    """Scales vectors to length 1; a zero vector stays 0 and has gradient 0.

    Args:
      vectors: `[..., D]` float32 or float64 of any finite size.

    Returns:
      Floats of the same shape and dtype.

    Example:
      >>> np.array(unit_length([[3.0, 4.0], [0.0, 0.0]])).round(6)
      array([[0.6, 0.8],
             [0. , 0. ]], dtype=float32)
    """
    vectors = ops.convert_to_tensor(vectors)
    dtype = keras.backend.standardize_dtype(vectors.dtype)

    @custom_gradient
    def scaled(vectors):
        # The largest entry is divided out first, so that no square overflows
        # or underflows. The kernels take subnormal numbers as 0.
        largest = ops.max(ops.abs(vectors), axis=-1, keepdims=True, initial=0.0)
        is_zero = largest < _SMALLEST_NORMAL[dtype]
        largest = ops.where(is_zero, ops.ones_like(largest), largest)
        vectors = vectors / largest
        lengths = ops.sqrt(ops.sum(ops.square(vectors), axis=-1, keepdims=True))
        factors = ops.where(is_zero, ops.zeros_like(largest), 1 / lengths)
        unit = vectors * factors

        def gradient(upstream):
            # The part of the gradient along the vector does not turn it.
            along = ops.sum(unit * upstream, axis=-1, keepdims=True)
            return (upstream - unit * along) * (factors / largest)

        return unit, gradient

    return scaled(vectors)


def _in_full_precision(x):
    """Casts to float32 (float64 stays), with a gradient that stays finite."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    largest = _LARGEST[dtype]

    @custom_gradient
    def cast(x):
        def gradient(upstream):
            clipped = ops.clip(upstream, -largest, largest)
            return ops.cast(clipped, dtype)

        full = "float64" if dtype == "float64" else "float32"
        return ops.cast(x, full), gradient

    return cast(x)
