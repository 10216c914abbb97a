"""GroCo, group ordering contrast: a function, and a Keras loss around it.

A differentiable sorting network ranks an anchor's similarities. The positives
should come out above the negatives.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.distribution.collectives import concat_over_replicas, first_row
from supcon_tf.errors import check_int, check_number
from supcon_tf.labels import as_ids
from supcon_tf.losses.arguments import check_flags
from supcon_tf.losses.contrastive import ContrastiveLoss
from supcon_tf.losses.pairs.projections import as_views, unit_length
from supcon_tf.losses.pairs.row_blocks import over_row_blocks

_MISSING = -2.0  # below every cosine


@keras.saving.register_keras_serializable("supcon_tf")
def groco_loss(
    labels: ArrayLike | None,
    projections: ArrayLike,
    *,
    num_negatives: int = 10,
    steepness: float = 1.0,
    detach_contrasts: bool = False,
) -> Any:
    """The group ordering loss of each image of a batch.

    Every projection is an anchor. Its positives are the other views of its
    image. Its negatives are the K most similar projections of other images (or,
    with labels, of other classes) that have its own view number. The cosines x
    of the negatives and then of the positives, each in rising order, go through
    an odd-even sorting network of len(x) layers. Where a hard network would
    swap two neighbours a and b, this one mixes them:

        alpha = atan(steepness * (b - a)) / pi + 1/2
        a, b  = alpha * a + (1 - alpha) * b, (1 - alpha) * a + alpha * b

    The mixtures of all layers together are a matrix P, in which P[r, k] is the
    share of input r in rank k. The share of the ranks of the positives is
    `q_r = sum_{k >= K} P[r, k]`, and the loss is

        loss_i = mean_r -log(q_r if r is a positive else 1 - q_r)

    In a step on several replicas (`tf.distribute`) a replica's anchors are its
    own projections, and the negatives are from the images of all replicas.

    Args:
      labels: None, or classes as for `supcon_loss`. With None each image is a
        class of its own, as in the paper.
      projections: `[B, V, D]` floats, V >= 2 views of each of B images. With
        one view no anchor has a positive.
      num_negatives: int K >= 1. The default is 10, as in the paper. An anchor
        with fewer negatives has the rest infinitely far below all others, and
        they do not count in its mean.
      steepness: float > 0, how hard the network sorts. The default is 1, as in
        the paper.
      detach_contrasts: whether the gradient reaches the anchors only, and not
        the positives and negatives, as in the published code.

    Returns:
      `[B]` floats, for each image the mean over its anchors. The dtype is at
      least float32 (float64 stays float64). An anchor without positives has the
      loss 0.

      The memory is that of N x K projections and of N x (K + V - 1)^2 numbers,
      N = B * V. The negatives are looked up for a few anchors at a time.

    Raises:
      ValueError: if an argument is not one of the above, or if the shapes or
        dtypes of labels and projections do not fit.

    Example:
      >>> views = [[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 1.0]]]
      >>> np.round(groco_loss(None, views, num_negatives=1), 4)
      array([0.4071, 0.5278], dtype=float32)

    References:
      Shvetsova et al., "Learning by Sorting: Self-supervised Learning with
      Group Ordering Constraints", ICCV 2023, https://arxiv.org/abs/2301.02009,
      and its code, https://github.com/ninatu/learning_by_sorting. The network
      is that of Petersen et al., "Monotonic Differentiable Sorting Networks",
      ICLR 2022, https://arxiv.org/abs/2203.09630
    """
    _check_arguments(num_negatives, steepness, detach_contrasts)
    vectors = unit_length(as_views(projections))  # [B, V, D]
    batch, (views, dim) = ops.shape(vectors)[0], vectors.shape[1:]
    ids = as_ids(labels, batch)
    if views == 1:
        return ops.sum(0 * vectors, axis=(1, 2))
    contrasts = ops.stop_gradient(vectors) if detach_contrasts else vectors
    all_contrasts = concat_over_replicas(contrasts)
    indices = _hardest_negatives(ids, vectors, all_contrasts, num_negatives)
    is_missing = indices < 0  # [n, K], n = B * V
    negatives = ops.take(
        ops.reshape(all_contrasts, (-1, dim)), ops.maximum(indices, 0), axis=0
    )  # [n, K, D]
    anchors = ops.reshape(vectors, (-1, 1, dim))
    negatives = ops.sum(anchors * negatives, axis=2)
    cosines = ops.einsum("bvd,bwd->bvw", vectors, contrasts)
    positives = [
        ops.concatenate([cosines[:, v, :v], cosines[:, v, v + 1 :]], axis=1)
        for v in range(views)
    ]
    positives = ops.reshape(ops.stack(positives, axis=1), (-1, views - 1))
    positives = ops.sort(positives, axis=1)
    losses = _losses_of_anchors(negatives, positives, is_missing, steepness)
    return ops.mean(ops.reshape(losses, (-1, views)), axis=1)


@keras.saving.register_keras_serializable("supcon_tf")
class GroCoLoss(ContrastiveLoss):
    """Group ordering loss for `model.compile`.

    It is `groco_loss`, which describes every option, reduced to one number. A
    sorting network gives each similarity x_r of an anchor the share q_r of the
    ranks above its K negatives:

        loss_i = mean_r -log(q_r if r is a positive else 1 - q_r)

    The output of the model is `[B, V, D]`, V >= 2 views of each image. Under a
    `tf.distribute` strategy the negatives are those of the global batch, and
    loss and weights are the same as on one device.

    Args:
      num_negatives: int K >= 1. The default is 10, as in the paper.
      steepness: float > 0. The default is 1, as in the paper.
      detach_contrasts: whether the gradient reaches the anchors only, as in the
        published code.
      reduction: how the `[B]` losses of the images are reduced, as for any
        Keras loss.
      name: name of the loss.
      dtype: dtype of the computation. It is `"float32"`, `"float64"`, or None,
        which is `keras.backend.floatx()`, but at least float32.

    Call arguments:
      y_true: None, or labels as for `SupConLoss`.
      y_pred: `[B, V, D]` floats.
      sample_weight: optional `[B]` weights of the images.
      queue: must be None. A queue does not know the numbers of views.

    Raises:
      ValueError: if an argument is not one of the above.

    Example:
      >>> loss = GroCoLoss(num_negatives=2)
      >>> loss(labels, projections).shape
      TensorShape([])
      >>> model.compile(optimizer="sgd", loss=loss)

    Reference:
      Shvetsova et al., "Learning by Sorting: Self-supervised Learning with
      Group Ordering Constraints", ICCV 2023, https://arxiv.org/abs/2301.02009
    """

    def __init__(
        self,
        num_negatives: int = 10,
        *,
        steepness: float = 1.0,
        detach_contrasts: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "groco_loss",
        dtype: Any = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        _check_arguments(num_negatives, steepness, detach_contrasts)
        self.num_negatives = num_negatives
        self.steepness = steepness
        self.detach_contrasts = detach_contrasts

    def losses_of_images(self, labels, projections, queue=None):
        """The `groco_loss` of each image, `[B]`."""
        if queue is not None:
            raise ValueError(
                "`queue` must be None with GroCoLoss, since a queue does not "
                "know the numbers of views. Received: a queue"
            )
        return groco_loss(
            labels,
            projections,
            num_negatives=self.num_negatives,
            steepness=self.steepness,
            detach_contrasts=self.detach_contrasts,
        )

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "num_negatives": self.num_negatives,
            "steepness": self.steepness,
            "detach_contrasts": self.detach_contrasts,
        }


def _hardest_negatives(ids, vectors, contrasts, count):
    """The rows of the most similar negatives of each anchor.

    Args:
      ids: `[b]` classes of the replica's images, or None.
      vectors: `[b, V, D]`, the replica's unit vectors.
      contrasts: `[B, V, D]`, those of all replicas.
      count: int K.

    Returns:
      `[n, K]` int32 rows of the contrasts, those of low similarity first, and
      -1 where there is no further negative.
    """
    batch, (views, dim) = ops.shape(vectors)[0], vectors.shape[1:]
    if ids is None:
        ids = first_row(batch) + ops.arange(batch, dtype="int32")
    vectors = ops.stop_gradient(ops.reshape(vectors, (-1, dim)))
    contrasts = ops.stop_gradient(ops.reshape(contrasts, (-1, dim)))
    all_ids = ops.repeat(concat_over_replicas(ids), views)
    total = ops.shape(contrasts)[0]
    number_of = ops.arange(total, dtype="int32") % views  # each row's view
    own = (
        vectors,
        ops.repeat(ids, views)[:, None],
        (ops.arange(ops.shape(vectors)[0], dtype="int32") % views)[:, None],
    )

    def most_similar(blocks, totals):
        anchors, ids, numbers = blocks
        cosines = ops.matmul(anchors, ops.transpose(contrasts))
        is_negative = ops.logical_and(ids != all_ids, numbers == number_of)
        cosines = ops.where(is_negative, cosines, _MISSING)
        # There are always K to take.
        cosines = ops.pad(
            cosines, [[0, 0], [0, count]], constant_values=_MISSING
        )
        largest, rows = ops.top_k(cosines, count)
        rows = ops.where(largest > _MISSING, ops.cast(rows, "int32"), -1)
        return ops.flip(rows, axis=1), totals

    rows, _ = over_row_blocks(
        most_similar,
        own,
        outputs=(count, "int32"),
        row_size=total + count,
    )
    return rows


def _losses_of_anchors(negatives, positives, is_missing, steepness):
    """`[n, K]` and `[n, V - 1]` similarities in rising order -> `[n]`."""
    x = ops.concatenate([negatives, positives], axis=1)[:, None]  # [n, 1, L]
    length, count = x.shape[2], negatives.shape[1]
    # Negatives that are missing come first and stay there.
    missing = ops.sum(ops.cast(is_missing, "int32"), axis=1)[:, None, None]
    mixtures = []
    for layer in range(length):
        mixtures.append(_mixture(x, layer % 2, missing, steepness))
        x = _mixed(x, layer % 2, mixtures[layer])
    # The columns of P are not needed one by one. Their sums over the ranks of
    # the positives and of the negatives go through the layers backwards.
    is_positive = np.arange(length) >= count
    ranks = np.stack([is_positive, ~is_positive])  # for q and for 1 - q
    shares = ops.cast(ranks, x.dtype) + ops.zeros_like(x)  # [n, 2, L]
    for layer in reversed(range(length)):
        shares = _mixed(shares, layer % 2, mixtures[layer])
    shares = ops.where(is_positive, shares[:, 0], shares[:, 1])
    tiny = np.finfo(keras.backend.standardize_dtype(x.dtype)).tiny
    losses = -ops.log(ops.maximum(shares, tiny))
    missing = missing[:, 0]
    counts = ops.arange(length, dtype="int32") >= missing
    losses = ops.where(counts, losses, ops.zeros_like(losses))
    return ops.sum(losses, axis=1) / ops.cast(length - missing[:, 0], x.dtype)


def _mixture(x, first, missing, steepness):
    """The shares by which pairs mix: alpha and 1 - alpha, `[n, 1, pairs]`."""
    low, high = _pairs(x, first)
    places = first + 2 * ops.arange(low.shape[2], dtype="int32")
    is_real = places >= missing
    rise = steepness * (high - low)
    # atan(v) / pi + 1/2 without the loss of digits where v is far below 0.
    one = ops.ones_like(rise)
    alpha = ops.arctan2(one, -rise) / math.pi
    rest = ops.arctan2(one, rise) / math.pi
    return (
        ops.where(is_real, alpha, one),
        ops.where(is_real, rest, ops.zeros_like(rest)),
    )


def _mixed(x, first, mixture):
    """Numbers `[n, R, L]` after a layer, or before it: it is symmetric."""
    (low, high), (alpha, rest) = _pairs(x, first), mixture
    low, high = alpha * low + rest * high, rest * low + alpha * high
    pairs = ops.stack([low, high], axis=3)
    size = 2 * low.shape[2]
    pairs = ops.reshape(pairs, (ops.shape(x)[0], x.shape[1], size))
    parts = [x[:, :, :first], pairs, x[:, :, first + size :]]
    return ops.concatenate(parts, axis=2)


def _pairs(x, first):
    """The neighbours that a layer compares, `[n, R, pairs]` each."""
    end = x.shape[2] - (x.shape[2] - first) % 2
    return x[:, :, first:end:2], x[:, :, first + 1 : end : 2]


def _check_arguments(num_negatives, steepness, detach_contrasts):
    check_int("num_negatives", num_negatives, 1)
    check_number("steepness", steepness, above=0)
    check_flags(detach_contrasts=detach_contrasts)
