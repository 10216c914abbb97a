"""Rank-N-Contrast: a function, and a Keras loss around it.

It orders projections as the targets of a regression are ordered. The targets
are floats, such as ages, and no classes.
"""

from typing import Any, Literal

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.distribution.collectives import concat_over_replicas, first_row
from supcon_tf.frameworks.backends import custom_gradient
from supcon_tf.labels import known_values
from supcon_tf.losses.arguments import check_flags, check_temperature
from supcon_tf.losses.contrastive import ContrastiveLoss
from supcon_tf.losses.pairs.projections import as_views, unit_length
from supcon_tf.losses.pairs.row_blocks import over_row_blocks

SIMILARITIES = ("distance", "cosine")


@keras.saving.register_keras_serializable("supcon_tf")
def rank_n_contrast_loss(
    targets: ArrayLike,
    projections: ArrayLike,
    *,
    temperature: float = 2.0,
    similarity: Literal["distance", "cosine"] = "distance",
    normalize: bool = False,
) -> Any:
    """The Rank-N-Contrast loss of each image of a batch.

    Every projection is an anchor `i`, and each other one `j` is its positive
    once. The negatives of this pair are all `k` whose targets are at least as
    far from that of `i` as the target of `j` is, so that `j` itself is one:

        loss_i = mean_{j != i} -log(exp(f_ij)
                     / sum_{k != i, |y_i - y_k| >= |y_i - y_j|} exp(f_ik))
        f_ij   = -|x_i - x_j| / t                    similarity="distance"
        f_ij   = x_i.x_j / (|x_i| |x_j| t)           similarity="cosine"

    Contrasts whose targets are equally far from that of the anchor share a
    denominator. Other views of an image have its target.

    The denominators of an anchor are running log-sum-exps over its contrasts,
    sorted by the distance of their targets. For N = B * V projections this
    takes O(N^2 log N) time. It is done for a few anchors at a time, forward and
    backward, so that no N x N array is in memory.

    In a step on several replicas (`tf.distribute`) a replica's anchors are its
    own projections, and their contrasts are the projections of all replicas.

    Args:
      targets: `[B]` finite numbers, or `[B, T]`, whose distance is the sum of
        the T absolute differences. They are compared in the dtype of the
        result.
      projections: `[B, V, D]` floats, V views of each of B images. `[B, D]` is
        one view of each.
      temperature: float `t` >= 1e-6. The default is 2, as in the paper.
      similarity: `"distance"`, the negative Euclidean distance as in the paper,
        or `"cosine"`.
      normalize: whether distances are those of vectors scaled to unit length.
        The paper does not scale them. Cosines are those of unit vectors in any
        case.

    Returns:
      `[B]` floats, for each image the mean over its anchors. The dtype is at
      least float32 (float64 stays float64). A single projection has the loss 0.
      Two equal projections get no gradient from the distance between them,
      which has no slope there.

    Raises:
      ValueError: if an argument is not one of the above, or if the shapes or
        dtypes of targets and projections do not fit. In a compiled step the
        values of targets cannot be checked.

    Example:
      >>> projections = [[0.0, 1.0], [0.0, 3.0], [0.0, 9.0]]
      >>> np.round(rank_n_contrast_loss([20.0, 21.0, 30.0], projections), 4)
      array([0.0243, 0.0635, 0.1566], dtype=float32)

    Reference:
      Zha et al., "Rank-N-Contrast: Learning Continuous Representations for
      Regression", NeurIPS 2023, Eq. 1 and 2, https://arxiv.org/abs/2210.01189,
      and its code, https://github.com/kaiwenzha/Rank-N-Contrast
    """
    _check_arguments(temperature, similarity, normalize)
    projections = as_views(projections)  # [B, V, D]
    batch, (views, dim) = ops.shape(projections)[0], projections.shape[1:]
    targets = _as_targets(targets, batch, projections.dtype)  # [B, T]
    targets = ops.repeat(targets, views, axis=0)  # [n, T], n = B * V
    vectors = ops.reshape(projections, (-1, dim))  # [n, D]
    if normalize or similarity == "cosine":
        vectors = unit_length(vectors)
    losses = _losses_of_anchors(targets, vectors, temperature, similarity)
    return ops.mean(ops.reshape(losses, (-1, views)), axis=1)


@keras.saving.register_keras_serializable("supcon_tf")
class RankNContrastLoss(ContrastiveLoss):
    """Rank-N-Contrast loss for `model.compile`, for targets of a regression.

    It is `rank_n_contrast_loss`, which describes every option, reduced to one
    number:

        loss_i = mean_{j != i} -log(exp(f_ij)
                     / sum_{k != i, |y_i - y_k| >= |y_i - y_j|} exp(f_ik))
        f_ij   = -|x_i - x_j| / t

    The output of the model is `[B, V, D]` (V views of each image) or `[B, D]`.
    Under a `tf.distribute` strategy the contrasts are those of the global
    batch, and loss and weights are the same as on one device.

    Args:
      temperature: positive float `t`. The default is 2, as in the paper.
      similarity: `"distance"`, as in the paper, or `"cosine"`.
      normalize: whether distances are those of unit vectors.
      reduction: how the `[B]` losses of the images are reduced, as for any
        Keras loss.
      name: name of the loss.
      dtype: dtype of the computation. It is `"float32"`, `"float64"`, or None,
        which is `keras.backend.floatx()`, but at least float32.

    Call arguments:
      y_true: `[B]` or `[B, T]` finite numbers.
      y_pred: `[B, V, D]` or `[B, D]` floats.
      sample_weight: optional `[B]` weights of the images.
      queue: must be None. The targets of a queue are classes.

    Raises:
      ValueError: if an argument is not one of the above.

    Example:
      >>> loss = RankNContrastLoss(temperature=2.0)
      >>> round(float(loss([20.0, 21.0, 30.0], [[0.0], [2.0], [8.0]])), 4)
      0.0815
      >>> model.compile(optimizer="sgd", loss=loss)

    Reference:
      Zha et al., "Rank-N-Contrast: Learning Continuous Representations for
      Regression", NeurIPS 2023, https://arxiv.org/abs/2210.01189
    """

    def __init__(
        self,
        temperature: float = 2.0,
        *,
        similarity: Literal["distance", "cosine"] = "distance",
        normalize: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "rank_n_contrast_loss",
        dtype: Any = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        _check_arguments(temperature, similarity, normalize)
        self.temperature = temperature
        self.similarity = similarity
        self.normalize = normalize

    def losses_of_images(self, labels, projections, queue=None):
        """The `rank_n_contrast_loss` of each image, `[B]`."""
        if queue is not None:
            raise ValueError(
                "`queue` must be None with RankNContrastLoss, since a queue "
                "holds classes and no targets. Received: a queue"
            )
        return rank_n_contrast_loss(
            labels,
            projections,
            temperature=self.temperature,
            similarity=self.similarity,
            normalize=self.normalize,
        )

    def check_labels(self, labels):
        """As in `ContrastiveLoss`; the targets may be any finite numbers."""
        _as_targets(labels, None, self.dtype)

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "similarity": self.similarity,
            "normalize": self.normalize,
        }


def _losses_of_anchors(targets, vectors, temperature, similarity):
    """The loss of each own vector: `[n, T]` and `[n, D]` -> `[n, 1]`."""
    contrast_targets = concat_over_replicas(targets)  # [N, T]
    size, total = ops.shape(vectors)[0], ops.shape(contrast_targets)[0]
    indices = first_row(size) + ops.arange(size, dtype="int32")[:, None]
    width = max(16, vectors.shape[1], targets.shape[1] or 0)
    pairs = ops.cast(ops.maximum(total - 1, 1), vectors.dtype)

    @custom_gradient
    def compute(anchors, contrasts):
        def sorted_rows(blocks):
            return _SortedRows(
                blocks, contrasts, contrast_targets, temperature, similarity
            )

        def losses(blocks, totals):
            return sorted_rows(blocks).losses() / pairs, totals

        rows = (indices, targets, anchors)
        options = {"row_size": total * width}
        dtype = keras.backend.standardize_dtype(anchors.dtype)

        def gradient(upstream):
            def slopes(blocks, totals):
                *blocks, factors = blocks
                rows = sorted_rows(blocks)
                for_rows, for_columns = rows.products(factors / pairs)
                return for_rows, (totals[0] + for_columns,)

            for_anchors, (for_contrasts,) = over_row_blocks(
                slopes,
                (*rows, upstream),
                outputs=(anchors.shape[1], dtype),
                totals=(ops.zeros_like(contrasts),),
                **options,
            )
            return for_anchors, for_contrasts

        found, _ = over_row_blocks(losses, rows, outputs=(1, dtype), **options)
        return found, gradient

    return compute(vectors, concat_over_replicas(vectors))


class _SortedRows:
    """The contrasts of a few anchors, those with the farthest targets first.

    Args:
      rows: `[r, 1]` int32, the anchors' places among the contrasts; their
        targets `[r, T]`; their vectors `[r, D]`.
      contrasts: `[N, D]` vectors.
      contrast_targets: `[N, T]`.
      temperature: as for `rank_n_contrast_loss`.
      similarity: as for `rank_n_contrast_loss`.
    """

    def __init__(
        self, rows, contrasts, contrast_targets, temperature, similarity
    ):
        indices, targets, self.anchors = rows
        self.contrasts, self.temperature = contrasts, temperature
        self.lengths = None
        if similarity == "distance":
            # |x|^2 + |y|^2 - 2 x.y would lose the digits of short distances.
            self.differences = self.anchors[:, None] - contrasts  # [r, N, D]
            self.lengths = ops.sqrt(ops.sum(self.differences**2, axis=2))
            similarities = -self.lengths / temperature
        else:
            products = ops.matmul(self.anchors, ops.transpose(contrasts))
            similarities = products / temperature
        gaps = ops.sum(ops.abs(targets[:, None] - contrast_targets), axis=2)
        columns = ops.arange(ops.shape(contrasts)[0], dtype="int32")
        is_self = indices == columns
        # The anchor itself comes last, and counts nowhere.
        self.order = ops.argsort(ops.where(is_self, 1.0, -gaps), axis=1)
        self.is_other = ~ops.take_along_axis(is_self, self.order, axis=1)
        self.similarities = ops.where(
            self.is_other,
            ops.take_along_axis(similarities, self.order, axis=1),
            _lowest(similarities),
        )
        gaps = ops.where(is_self, -1.0, gaps)
        gaps = ops.take_along_axis(gaps, self.order, axis=1)
        is_new = gaps[:, 1:] != gaps[:, :-1]
        always = ops.ones_like(is_self[:, :1])
        self.is_first_of_tie = ops.concatenate([always, is_new], axis=1)
        self.is_last_of_tie = ops.concatenate([is_new, always], axis=1)

    def log_denominators(self):
        """The log of the denominator of each pair, `[r, N]`."""
        sums = _running(ops.logaddexp, self.similarities)
        # They rise along the row, so that the next end of a tie is the lowest
        # of those ahead.
        ends = ops.where(self.is_last_of_tie, sums, -_lowest(sums))
        return ops.flip(_running(ops.minimum, ops.flip(ends, axis=1)), axis=1)

    def losses(self):
        """The sum of the losses of the pairs of each anchor, `[r, 1]`."""
        losses = self.log_denominators() - self.similarities
        losses = ops.where(self.is_other, losses, ops.zeros_like(losses))
        return ops.sum(losses, axis=1, keepdims=True)

    def products(self, factors):
        """The gradient of factors `[r, 1]` times `losses`.

        The similarity f_ik is in the denominator of every pair (i, j) with a
        target of j that is not farther away. The gradient by it is
        `sum_j exp(f_ik - log_denominator_j) - 1`.

        Returns:
          `[r, D]` for the anchors and `[N, D]` for the contrasts.
        """
        lowest = _lowest(self.similarities)
        inverse = ops.where(self.is_other, -self.log_denominators(), lowest)
        sums = ops.flip(
            _running(ops.logaddexp, ops.flip(inverse, axis=1)), axis=1
        )
        # They fall along the row.
        starts = ops.where(self.is_first_of_tie, sums, -lowest)
        sums = _running(ops.minimum, starts)
        slopes = ops.exp(self.similarities + sums) - 1
        slopes = ops.where(self.is_other, slopes, ops.zeros_like(slopes))
        back = ops.argsort(self.order, axis=1)
        slopes = ops.take_along_axis(slopes, back, axis=1)  # [r, N]
        slopes = slopes * factors / self.temperature
        if self.lengths is None:
            return (
                ops.matmul(slopes, self.contrasts),
                ops.matmul(ops.transpose(slopes), self.anchors),
            )
        is_apart = self.lengths > 0
        lengths = ops.where(is_apart, self.lengths, 1.0)
        slopes = ops.where(is_apart, slopes / lengths, 0.0)
        return (
            -ops.einsum("rn,rnd->rd", slopes, self.differences),
            ops.einsum("rn,rnd->nd", slopes, self.differences),
        )


def _running(combine, x):
    """Combines each number with all before it in its row, `[r, N]`.

    After k steps a number stands for 2^k numbers.
    """
    size = ops.shape(x)[1]
    columns = ops.arange(size, dtype="int32")

    def step(shift, x):
        combined = combine(x, ops.roll(x, shift, axis=1))
        return 2 * shift, ops.where(columns >= shift, combined, x)

    shift = 1
    if not isinstance(size, int):
        state = (ops.convert_to_tensor(shift, "int32"), x)
        return ops.while_loop(lambda shift, x: shift < size, step, state)[1]
    while shift < size:
        shift, x = step(shift, x)
    return x


def _lowest(x):
    """A finite number far below every similarity."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    return -1e300 if dtype == "float64" else -1e38


def _check_arguments(temperature, similarity, normalize):
    check_temperature(temperature)
    check_flags(normalize=normalize)
    if similarity not in SIMILARITIES:
        raise ValueError(
            "`similarity` must be one of 'distance', 'cosine'. "
            f"Received: similarity={similarity!r}"
        )


def _as_targets(targets, batch, dtype):
    """Converts targets to `[B, T]` floats, or refuses them."""
    allowed = "`targets` must be finite numbers of shape [B] or [B, T]. "
    if targets is None:
        raise ValueError(f"{allowed}Received: None")
    if not ops.is_tensor(targets):
        targets = np.asarray(targets)
    name = getattr(targets.dtype, "name", str(targets.dtype))
    if not any(kind in name for kind in ("int", "float", "bool")):
        raise ValueError(f"{allowed}Received: dtype={name}")
    values = known_values(targets)
    if values is not None:
        is_finite = np.isfinite(values.astype("float64"))
        if not is_finite.all():
            raise ValueError(f"{allowed}Received: {values[~is_finite][0]}")
    targets = ops.stop_gradient(ops.cast(targets, dtype))
    shape = targets.shape
    if getattr(shape, "rank", 1) is None:
        # Keras' compiled step has got targets of several shapes.
        return ops.reshape(targets, (batch, -1))
    if len(shape) not in (1, 2):
        raise ValueError(f"{allowed}Received: shape={tuple(shape)}")
    if isinstance(batch, int) and shape[0] not in (None, batch):
        raise ValueError(
            "`targets` and `projections` must have the same batch size. "
            f"Received: {shape[0]} targets and {batch} rows of projections"
        )
    return targets if len(shape) == 2 else targets[:, None]
