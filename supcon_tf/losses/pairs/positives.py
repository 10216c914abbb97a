"""The positives of an anchor: which they are, how many, and how similar."""

import dataclasses
import functools
from typing import Any

import keras
from keras import ops

from supcon_tf.distribution.collectives import (
    concat_over_replicas,
    sum_over_replicas,
)
from supcon_tf.frameworks.backends import custom_gradient
from supcon_tf.labels import as_ids
from supcon_tf.losses.pairs.dense import others_of


def group_by_class(ids, batch, *, unlabeled_label=None):
    """Numbers the classes: integers in [0, B), equal for images of one class.

    Args:
      ids: `[B]` integers as from `as_ids`. With None each image is a class of
        its own.
      batch: B, an int or an integer tensor.
      unlabeled_label: id of the images whose class is not known. Each of them
        is a class of its own.

    Returns:
      `[B]` int32.

    Example:
      >>> ids = as_ids([7, -1, 7, -1], 4)
      >>> np.array(group_by_class(ids, 4, unlabeled_label=-1))
      array([2, 0, 2, 1], dtype=int32)
    """
    if ids is None:
        return ops.arange(batch, dtype="int32")
    # This sorts and counts, since XLA cannot compile an op whose output has an
    # unknown size, such as tf.unique.
    order = ops.argsort(ids)
    ids = ops.take(ids, order)
    starts = ids[1:] != ids[:-1]
    if unlabeled_label is not None:
        starts = ops.logical_or(
            starts, ids[1:] == ops.cast(unlabeled_label, ids.dtype)
        )
    starts = ops.cast(starts, "int32")
    groups = ops.cumsum(
        ops.concatenate([ops.zeros_like(ids[:1], "int32"), starts])
    )
    return ops.take(groups, ops.argsort(order))


def count_positives(contrasts):
    """The number of positives of each anchor, `[M]` floats."""
    sizes = of_class(contrasts, contrasts.counted)
    return sizes[:: contrasts.stride] - 1


def of_class(contrasts, values):
    """The sum of `[N + Q, ...]` values over the class of each own row."""
    num_contrasts = ops.shape(contrasts.vectors)[0]
    sums = ops.segment_sum(values, contrasts.classes, num_contrasts)
    return ops.take(sums, contrasts.own_classes, axis=0)  # [n, ...]


def of_groups(values, groups, number):
    """The sum of `[N, ...]` values over the group of each row, `[N, ...]`."""
    return ops.take(ops.segment_sum(values, groups, number), groups, axis=0)


def similarities_to_positives(contrasts):
    """The sum of the similarities of each anchor to its positives, `[M]`.

    It is exact if no vector of a class is far longer than the others.
    """
    return weighted_similarities(
        contrasts, functools.partial(of_class, contrasts), 1.0
    )


def weighted_similarities(contrasts, gathered, own_weights):
    """The sum over j != i of w_ij s_ij, `[M]`, without a matrix of pairs.

    That is z_i.(S_i - w_ii z_i) with S_i = sum_j w_ij z_j. For the gradient,
    other replicas need to send only one number for each anchor, c_j, and not
    their gradients. With symmetric weights w,

        dz_i = c_i (S_i - w_ii z_i) + sum_j w_ij c_j z_j - w_ii c_i z_i

    Args:
      contrasts: `Contrasts`.
      gathered: function of values `[N + Q, W]` that returns sum_j w_ij values_j
        for each own row, `[n, W]`.
      own_weights: w_ii, a number or `[n, 1]` floats.
    """
    vectors = ops.stop_gradient(contrasts.vectors)

    @custom_gradient
    def compute(own):
        others = gathered(vectors) - own_weights * own

        def gradient(upstream):
            factors = upstream[:, None]
            of_all = factors
            if contrasts.has_rest:
                of_all = ops.concatenate([factors, contrasts.of_rest(factors)])
            others_and_itself = others - own_weights * own
            return factors * others_and_itself + gathered(of_all * vectors)

        return ops.sum(own * others, axis=1), gradient

    sums = compute(contrasts.own)
    if contrasts.scales is not None:
        sums *= contrasts.scales[:, 0]
    return sums[:: contrasts.stride]


def pair_masks(
    is_same, views, stride, *, positives_cap=None, first=0, is_real=None
):
    """Makes the masks of each anchor's positives and negatives.

    Args:
      is_same: `[M, C]` bool, which contrasts are of the anchor's class.
      views: int V. Every V contrasts in a row are the views of one image.
      stride: int. Anchor i is the contrast in row `i * stride`.
      positives_cap: as for `supcon_loss`.
      first: how many contrasts from the end come before row 0 in the order in
        which the cap counts.
      is_real: None, or `[C]` floats, 0 for contrasts that do not count.

    Returns:
      Two masks `[M, C]` bool, the positives and the negatives.
    """
    columns = ops.arange(ops.shape(is_same)[1], dtype="int32") // views
    rows = ops.arange(ops.shape(is_same)[0], dtype="int32") * stride // views
    is_own = rows[:, None] == columns[None, :]  # views of the anchor's image
    is_same = ops.logical_or(is_same, is_own)
    is_positive = is_same
    if positives_cap is not None:
        is_other = ops.logical_and(is_same, ops.logical_not(is_own))
        rank = _rolled(ops.cast(is_other, "int32"), first)
        rank = _rolled(ops.cumsum(rank, axis=1), -first)
        is_kept = ops.logical_and(is_other, rank <= positives_cap)
        is_positive = ops.logical_or(is_own, is_kept)
    is_other = others_of(is_same, stride, is_real)
    return (
        ops.logical_and(is_positive, is_other),
        ops.logical_and(ops.logical_not(is_same), is_other),
    )


def is_same_by_mask(positives_mask, contrasts):
    """The `positives_mask` of `supcon_loss` as `[M, N]` bool, checked.

    The columns are in the order of the contrasts, which have no queue.
    """
    views = contrasts.views
    is_same = as_mask(
        positives_mask,
        ops.shape(contrasts.own)[0] // views,
        ops.shape(contrasts.vectors)[0] // views,
    )
    is_same = _rolled(is_same, -(contrasts.first // views))
    is_same = ops.repeat(is_same, views // contrasts.stride, axis=0)
    return ops.repeat(is_same, views, axis=1)


def as_mask(positives_mask, rows, columns):
    """Checks `positives_mask` and converts it to a bool tensor.

    `rows` and `columns` are the sizes it must have, ints or integer tensors.
    """
    mask = ops.convert_to_tensor(positives_mask)
    dtype = keras.backend.standardize_dtype(mask.dtype)
    shape = tuple(mask.shape)
    if (
        dtype != "bool"
        or len(shape) != 2
        or any(
            isinstance(allowed, int) and size not in (None, allowed)
            for allowed, size in zip((rows, columns), shape, strict=True)
        )
    ):
        raise ValueError(
            "`positives_mask` must be bool of shape [B, B]. "
            f"Received: dtype={dtype}, shape={shape}"
        )
    return mask


@dataclasses.dataclass(frozen=True)
class ClassSizes:
    """The numbers of images of each class, in the global batch and in a queue.

    Attributes:
      views: int V, the number of views of each image of the batch.
      same: `[B]` float32, the number of images in the class of each image,
        itself included.
      same_queued: `[B]` float32, the number of projections of that class in the
        queue.
      queued: float32 scalar, the number of projections in the queue.
      classes: float32 scalar, the number of classes.
    """

    views: int
    same: Any
    same_queued: Any
    queued: Any
    classes: Any


def class_sizes(labels, projections, *, unlabeled_label=None, queue=None):
    """Counts the classes over all replicas and the queue.

    Args:
      labels: as for `supcon_loss`.
      projections: `[B, V, D]`; only the shape matters.
      unlabeled_label: as for `supcon_loss`.
      queue: None, or what `contrasts.as_queue` returns.

    Returns:
      `ClassSizes`.
    """
    batch = ops.shape(projections)[0]
    ids, batch = ids_of_all_replicas(as_ids(labels, batch), batch)
    counted = ops.ones((batch,), "float32")
    size = batch
    if queue is not None:
        queue_labels, _, is_filled = queue
        counted = ops.concatenate([counted, ops.cast(is_filled, "float32")])
        size = batch + is_filled.shape[0]
        if ids is not None:
            queue_ids = as_ids(queue_labels, is_filled.shape[0])
            ids = ops.concatenate([ids, ops.cast(queue_ids, ids.dtype)])
    groups = group_by_class(ids, size, unlabeled_label=unlabeled_label)

    is_image = ops.cast(ops.arange(size, dtype="int32") < batch, "float32")
    images = of_groups(is_image, groups, size)
    members = of_groups(counted, groups, size)
    return ClassSizes(
        views=projections.shape[1],
        same=images[:batch],
        same_queued=(members - images)[:batch],
        queued=ops.sum(counted) - ops.cast(batch, "float32"),
        classes=ops.sum(counted / ops.maximum(members, 1.0)),
    )


def ids_of_all_replicas(ids, batch):
    """The ids of the global batch (None stays None), and its size."""
    if ids is None:
        return None, sum_over_replicas(batch)
    ids = concat_over_replicas(ids)
    return ids, ops.shape(ids)[0]


def _rolled(pairs, shift):
    """Moves the columns of `[M, C]` to the right in a circle."""
    if isinstance(shift, int) and shift == 0:
        return pairs
    return ops.roll(pairs, shift, axis=1)
