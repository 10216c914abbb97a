"""The supervised contrastive loss: a function, and a Keras loss around it.

Read this file first. `supcon_loss` is Eq. 2 of Khosla et al. 2020 over the
whole batch; everything else in the package exists to feed it.
"""

import keras
from keras import ops

# Keras casts whatever a loss is given as `y_true` to the loss's float dtype.
# An int64 label travels through that cast as three floats of 22 bits each,
# which float32 (24 bits of mantissa) holds exactly.
_PIECE_BITS = 22


def supcon_loss(labels, projections, *, temperature=0.1, normalize=True):
    """Supervised contrastive loss, Eq. 2 of Khosla et al. 2020 (`L_out`).

    Every projection is an anchor `i`. Its positives `P(i)` are the other views
    of its image and all views of the images with the same label; its contrasts
    are all other projections of the batch. The loss of an anchor is the mean,
    over its positives, of the negative log-softmax of their similarity:

        loss_i = -1/|P(i)| * sum_{p in P(i)} log(exp(z_i.z_p / t)
                                               / sum_{a != i} exp(z_i.z_a / t))

    With `labels=None` the positives are the other views of the image alone:
    the self-supervised NT-Xent loss of SimCLR (Chen et al. 2020).

    Args:
      labels: `[B]` or `[B, 1]` integers, or None. Images with equal labels are
        positives of each other.
      projections: `[B, V, D]` floats, V views of each of B images; `[B, D]` is
        one view.
      temperature: positive float `t`, default 0.1 as in the paper. Smaller
        values weigh hard negatives more.
      normalize: whether to scale each projection to unit length first (a zero
        vector stays zero, with similarity 0 to all). Turn it off only for
        similarities that are not cosines.

    Returns:
      `[B]` floats: for each image, the mean over its V anchors. At least
      float32, whatever the dtype of `projections` (float64 stays float64). An
      anchor without positives contributes 0.

    Raises:
      ValueError: if the temperature is not positive, or if the shapes or the
        dtype of labels and projections do not fit.

    Example:
      >>> z = keras.random.normal((4, 2, 128))     # 4 images, 2 views
      >>> supcon_loss([0, 1, 0, 1], z).shape
      TensorShape([4])

    Reference:
      Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020,
      https://arxiv.org/abs/2004.11362
    """
    _check_temperature(temperature)
    projections = _as_views(projections)  # [B, V, D]
    _, views, dim = projections.shape
    labels = _as_ids(labels, projections)  # [B]

    z = ops.reshape(projections, (-1, dim))  # [N, D], N = B * V
    if normalize:
        z = unit_length(z)
    ids = ops.repeat(labels, views)  # [N]

    similarities = ops.matmul(z / temperature, ops.transpose(z))  # [N, N]
    rows = ops.arange(ops.shape(z)[0])
    is_self = rows[:, None] == rows[None, :]
    same_class = ids[:, None] == ids[None, :]
    is_positive = ops.logical_and(same_class, ops.logical_not(is_self))

    # The anchor itself is taken out before the log-sum-exp looks for its
    # maximum: nothing then underflows at small temperatures. The most negative
    # finite number, not -inf, keeps the gradient of a lonely anchor finite.
    lowest = ops.convert_to_tensor(_lowest(z.dtype), dtype=z.dtype)
    log_denominators = ops.logsumexp(
        ops.where(is_self, lowest, similarities), axis=1
    )
    num_positives = ops.sum(ops.cast(is_positive, z.dtype), axis=1)
    positive_similarities = ops.sum(
        ops.where(is_positive, similarities, ops.zeros_like(similarities)),
        axis=1,
    )
    losses = ops.where(
        num_positives > 0,
        log_denominators
        - positive_similarities / ops.maximum(num_positives, 1),
        ops.zeros_like(num_positives),
    )
    return ops.mean(ops.reshape(losses, (-1, views)), axis=1)


def unit_length(vectors):
    """Vectors scaled to length 1; a zero vector stays 0 and has gradient 0.

    Args:
      vectors: `[..., D]` floats of any finite size.

    Returns:
      Floats of the same shape and dtype.

    Example:
      >>> unit_length([[3.0, 4.0], [0.0, 0.0]])   # [[0.6, 0.8], [0, 0]]
    """
    vectors = ops.convert_to_tensor(vectors)
    # The largest entry is divided out first, so that no square overflows or
    # underflows. The direction does not depend on it, so neither does the
    # gradient: it is a constant here.
    largest = ops.max(ops.abs(vectors), axis=-1, keepdims=True)
    largest = ops.stop_gradient(largest)
    is_zero = largest == 0
    one = ops.ones_like(largest)
    vectors = vectors / ops.where(is_zero, one, largest)
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    lengths = ops.sqrt(ops.where(is_zero, one, squares))
    return ops.where(is_zero, ops.zeros_like(vectors), vectors / lengths)


@keras.saving.register_keras_serializable("supcon_tf")
class SupConLoss(keras.losses.Loss):
    """Supervised contrastive loss for `model.compile`: see `supcon_loss`.

    The model's output is `[B, V, D]` (V views of each image) or `[B, D]`. Works
    on any Keras model with such an output; `SupConModel` is the one that folds
    views into the batch. `model.fit(x)` without labels trains with NT-Xent.
    Contrasts are those of the batch on the device: under a `tf.distribute`
    strategy with several replicas, each replica's own only.

        loss_i = -1/|P(i)| * sum_{p in P(i)} log(exp(z_i.z_p / t)
                                               / sum_{a != i} exp(z_i.z_a / t))

    Args:
      temperature: positive float `t`, default 0.1 as in the paper.
      normalize: whether to scale each projection to unit length first.
      reduction: as for any Keras loss, applied to the `[B]` losses of the
        images: `"sum_over_batch_size"` (default), `"sum"`, `"mean"`,
        `"mean_with_sample_weight"`, `"none"` or None.
      name: name of the loss.
      dtype: dtype of the computation: None (`keras.backend.floatx()`, but at
        least float32), `"float32"` or `"float64"`.

    Call arguments:
      y_true: `[B]` or `[B, 1]` integer labels, or None. Labels stay integers:
        16777216 and 16777217 are two classes, though float32 has one value for
        both.
      y_pred: `[B, V, D]` or `[B, D]` floats.
      sample_weight: optional `[B]` weights of the images.

    Raises:
      ValueError: if the temperature is not positive or the dtype is a half
        precision, in which no log-sum-exp is exact.

    Example:
      >>> model.compile(optimizer="sgd", loss=SupConLoss(temperature=0.1))

    Reference:
      Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, Eq. 2,
      https://arxiv.org/abs/2004.11362
    """

    def __init__(
        self,
        temperature=0.1,
        *,
        normalize=True,
        reduction="sum_over_batch_size",
        name="supcon_loss",
        dtype=None,
    ):
        _check_temperature(temperature)
        if dtype is None and keras.backend.floatx() != "float64":
            dtype = "float32"
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if self.dtype not in ("float32", "float64"):
            raise ValueError(
                "`dtype` must be None, 'float32' or 'float64'. "
                f"Received: dtype={self.dtype!r}"
            )
        self.temperature = temperature
        self.normalize = normalize

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Reduced loss; the labels get through Keras' float cast unharmed."""
        return super().__call__(
            _to_float_pieces(y_true), y_pred, sample_weight=sample_weight
        )

    def call(self, y_true, y_pred):
        """`[B]` losses of the images; `y_true` as `__call__` packed it."""
        return supcon_loss(
            _from_float_pieces(y_true),
            y_pred,
            temperature=self.temperature,
            normalize=self.normalize,
        )

    def get_config(self):
        """Every argument of the constructor."""
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "normalize": self.normalize,
            "dtype": self.dtype,
        }


def _check_temperature(temperature):
    if not temperature > 0:
        raise ValueError(
            f"`temperature` must be > 0. Received: temperature={temperature}"
        )


def _as_views(projections):
    """`[B, D]` or `[B, V, D]` -> `[B, V, D]`, in at least float32."""
    projections = ops.convert_to_tensor(projections)
    if len(projections.shape) not in (2, 3):
        raise ValueError(
            "`projections` must have shape [B, V, D] or [B, D]. "
            f"Received: shape={tuple(projections.shape)}"
        )
    if None in projections.shape[1:]:
        raise ValueError(
            "`projections` must have known numbers of views and dimensions; "
            "only the batch size may be None. "
            f"Received: shape={tuple(projections.shape)}"
        )
    dtype = keras.backend.standardize_dtype(projections.dtype)
    if dtype != "float64":
        projections = ops.cast(projections, "float32")
    if len(projections.shape) == 2:
        projections = ops.expand_dims(projections, 1)
    return projections


def _as_ids(labels, projections):
    """`[B]` or `[B, 1]` integers -> `[B]`; None -> each image its own class."""
    if labels is None:
        return ops.arange(ops.shape(projections)[0])
    labels = ops.convert_to_tensor(labels)
    if getattr(labels.shape, "rank", 1) is None:
        # Keras' compiled step, fed [B] labels once and [B, 1] labels later.
        labels = ops.reshape(labels, (-1,))
    shape = tuple(labels.shape)
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] != 1):
        raise ValueError(
            f"`labels` must have shape [B] or [B, 1]. Received: shape={shape}"
        )
    batch = projections.shape[0]
    if None not in (shape[0], batch) and shape[0] != batch:
        raise ValueError(
            "`labels` and `projections` must have the same batch size. "
            f"Received: {shape[0]} labels and {batch} rows of projections"
        )
    dtype = keras.backend.standardize_dtype(labels.dtype)
    if not ("int" in dtype or dtype == "bool"):
        raise ValueError(f"`labels` must be integers. Received: dtype={dtype}")
    return ops.reshape(labels, (-1,))


def _lowest(dtype):
    """A finite number below every similarity, with room to subtract."""
    dtype = keras.backend.standardize_dtype(dtype)
    return -1e300 if dtype == "float64" else -1e38


def _to_float_pieces(labels):
    """Integer labels -> (low, middle, high) floats; None -> ()."""
    if labels is None:
        return ()
    labels = ops.convert_to_tensor(labels)
    dtype = keras.backend.standardize_dtype(labels.dtype)
    if "float" in dtype:
        _check_whole(labels)
    labels = ops.cast(labels, "int64")
    low_bits = 2**_PIECE_BITS - 1
    low = ops.bitwise_and(labels, low_bits)
    middle = ops.bitwise_and(
        ops.bitwise_right_shift(labels, _PIECE_BITS), low_bits
    )
    high = ops.bitwise_right_shift(labels, 2 * _PIECE_BITS)
    return low, middle, high


def _check_whole(labels):
    """Refuses float labels such as 0.5, where the values are known."""
    try:
        values = ops.convert_to_numpy(labels)
    except (TypeError, ValueError, NotImplementedError, AttributeError):
        return  # inside a compiled step
    if (values != values.round()).any():
        raise ValueError(
            "`labels` must be whole numbers. "
            f"Received: {values[values != values.round()].ravel()[0]}"
        )


def _from_float_pieces(pieces):
    """The inverse of `_to_float_pieces`."""
    if len(pieces) == 0:
        return None
    low, middle, high = (ops.cast(piece, "int64") for piece in pieces)
    return (
        low
        + ops.bitwise_left_shift(middle, _PIECE_BITS)
        + ops.bitwise_left_shift(high, 2 * _PIECE_BITS)
    )
