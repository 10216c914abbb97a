"""The contrasts of a batch: itself, other replicas' projections, a queue."""

import dataclasses
import math
import numbers
from typing import Any

import keras
import numpy as np
from keras import ops

from supcon_tf.distribution.collectives import (
    concat_over_replicas,
    first_row,
    num_replicas,
)
from supcon_tf.labels import as_ids
from supcon_tf.losses.pairs.dense import lowest
from supcon_tf.losses.pairs.positives import group_by_class
from supcon_tf.losses.pairs.projections import unit_length


@dataclasses.dataclass(frozen=True)
class Contrasts:
    """The anchors and all their contrasts, ready for sums over pairs.

    The rows are the replica's own projections, then those of the other
    replicas, then those of a queue. A projection of the replica therefore has
    the same row in `own` and in `vectors`. The product of two rows is their
    similarity divided by the temperature.

    Attributes:
      own: `[n, D]` floats, the replica's projections, the V views of an image
        one after the other.
      vectors: `[N + Q, D]` floats, all contrasts. Gradients flow back to the
        replica that each contrast is from, but not to the queue.
      classes: `[N + Q]` int32, equal for projections of the same class.
      views: int V.
      stride: int. Every `stride`-th own projection is an anchor. It is V where
        only the first view of each image is an anchor, else 1.
      bound: float, the largest absolute value that a product of rows can have;
        None if there is no bound.
      is_real: `[N + Q]` floats, 0 for rows that the queue has not filled yet.
        None where there is no queue.
      first: int or int32 scalar, the number of rows that come before the own
        ones when the replicas are in their order.
      queue_size: int Q.
      has_rest: whether there are contrasts beside the own projections.
      scales: None, or `[n, 1]` floats, 1 / temperature of each own projection,
        where the temperature is a tensor.
      features: None, or `[N + Q, F]` numbers that stand for labels that are no
        classes.
      extra: None, or `[n]` floats, the log-sum-exp of the similarities of each
        own projection to negatives that are no contrasts of others.
    """

    own: Any
    vectors: Any
    classes: Any
    views: int
    stride: int = 1
    bound: float | None = None
    is_real: Any = None
    first: Any = 0
    queue_size: int = 0
    has_rest: bool = False
    scales: Any = None
    features: Any = None
    extra: Any = None

    @property
    def anchors(self):
        """The own projections that are anchors, `[M, D]`."""
        return self.own[:: self.stride]

    def with_all_anchors(self):
        """The same, with every own projection as an anchor."""
        return dataclasses.replace(self, stride=1)

    @property
    def own_classes(self):
        """The classes of the own projections, `[n]` int32."""
        return self.classes[: ops.shape(self.own)[0]]

    @property
    def anchor_classes(self):
        """The classes of the anchors, `[M]` int32."""
        return self.own_classes[:: self.stride]

    @property
    def largest_similarities(self):
        """The most that a cosine over the temperature can be, `[M]` or number.

        It is None if the similarities have no bound.
        """
        if self.scales is None:
            return self.bound
        return self.scales[:: self.stride, 0]

    @property
    def counted(self):
        """`[N + Q]` floats, 1 for contrasts that count, 0 for the others."""
        if self.is_real is None:
            return ops.ones_like(self.vectors[:, 0])
        return self.is_real

    @property
    def images(self):
        """The number of the image of each contrast, `[N + Q, 1]` int32.

        Every row of the queue is taken for an image of its own.
        """
        rows = ops.arange(ops.shape(self.vectors)[0], dtype="int32")
        batch = ops.shape(self.vectors)[0] - self.queue_size
        images = ops.where(
            rows < batch, rows // self.views, rows - batch + batch // self.views
        )
        return images[:, None]

    @property
    def view_numbers(self):
        """The view of each contrast, `[N + Q, 1]` int32; -1 in the queue."""
        rows = ops.arange(ops.shape(self.vectors)[0], dtype="int32")
        batch = ops.shape(self.vectors)[0] - self.queue_size
        return ops.where(rows < batch, rows % self.views, -1)[:, None]

    def with_extra(self, log_sums):
        """Log-sum-exps `[M]` of each anchor, with its extra negatives."""
        if self.extra is None:
            return log_sums
        both = ops.stack([log_sums, self.extra[:: self.stride]], axis=1)
        return ops.logsumexp(both, axis=1)

    def of_contrasts(self, values, queued=None):
        """Numbers of the own images, for all contrasts.

        Args:
          values: `[b, F]`, one row for each image of the replica.
          queued: `[Q, F]`, the numbers of the queue; None is 0.

        Returns:
          `[N + Q, F]`, one row for each contrast.
        """
        values = _own_first(values, self.first // self.views)
        values = ops.repeat(values, self.views, axis=0)
        if not self.queue_size:
            return values
        if queued is None:
            queued = ops.zeros((self.queue_size, values.shape[1]), values.dtype)
        return ops.concatenate([values, ops.cast(queued, values.dtype)])

    @property
    def rest(self):
        """All contrasts but the own projections, as constants.

        Returns:
          `[K, D]` vectors and `[K]` floats is_real, or None if there are no
          others.
        """
        if not self.has_rest:
            return None
        start = ops.shape(self.own)[0]
        return (
            ops.stop_gradient(self.vectors[start:]),
            ops.stop_gradient(self.counted[start:]),
        )

    def of_rest(self, values):
        """Values of the other contrasts, if each replica has those of its own.

        Args:
          values: `[n, W]` floats, one row for each own projection.

        Returns:
          `[K, W]` floats, one row for each of the `rest`. Rows of the queue are
          0.
        """
        start = ops.shape(self.own)[0]
        others = _own_first(values, self.first)[start:]
        zeros = ops.zeros((self.queue_size, values.shape[1]), values.dtype)
        return ops.concatenate([others, zeros])


def contrasts_of(
    labels,
    projections,
    *,
    temperature,
    normalize=True,
    anchors="all",
    unlabeled_label=None,
    queue=None,
    features_of=None,
    extra_similarities=None,
):
    """The `Contrasts` of projections `[B, V, D]`, of at least float32.

    With `features_of`, a function of labels and their number that returns
    `[B, F]` numbers, the labels are no classes. Each image is then a class of
    its own, and the contrasts have `features`. All other arguments are as for
    `supcon_loss`.
    """
    batch, (views, dim) = ops.shape(projections)[0], projections.shape[1:]
    if queue is not None:
        queue_labels, vectors, is_filled = as_queue(
            queue, dim, projections.dtype, has_labels=labels is not None
        )
        queue_size = vectors.shape[0]
        queue_ids = None
        if features_of is None:
            queue_ids = as_ids(queue_labels, queue_size)
        vectors = _over_temperature(vectors, temperature, normalize)
        queue = (queue_ids, vectors, is_filled)
    z = _over_temperature(projections, temperature, normalize)
    is_number = isinstance(temperature, numbers.Real)
    contrasts = compared_with(
        ops.reshape(z, (-1, dim)),  # [n, D]
        as_ids(labels, batch) if features_of is None else None,
        views=views,
        stride=views if anchors == "first" else 1,
        bound=1 / temperature if normalize and is_number else None,
        unlabeled_label=unlabeled_label,
        queue=queue,
    )
    if features_of is not None:
        queued = None
        if queue is not None:
            queued = features_of(queue_labels, queue_size)
        features = contrasts.of_contrasts(features_of(labels, batch), queued)
        contrasts = dataclasses.replace(contrasts, features=features)
    scales = None
    if not is_number:
        scales = 1 / ops.cast(temperature, z.dtype)
        scales = ops.broadcast_to(ops.reshape(scales, (-1, 1)), (batch, views))
        scales = ops.reshape(scales, (-1, 1))
    extra = None
    if extra_similarities is not None:
        extra = _extra(
            extra_similarities,
            contrasts.own,
            1 / temperature if is_number else scales,
        )
    return dataclasses.replace(contrasts, scales=scales, extra=extra)


def compared_with(
    own, ids, *, views, stride=1, bound=None, unlabeled_label=None, queue=None
):
    """The `Contrasts` of a replica's projections, gathered from all replicas.

    Args:
      own: `[b * V, D]` floats, V views of each of the replica's b images.
      ids: `[b]` integers; with None each image is a class of its own.
      views: int V.
      stride: as in `Contrasts`.
      bound: as in `Contrasts`.
      unlabeled_label: as for `supcon_loss`.
      queue: None, or `(ids [Q], vectors [Q, D], is_filled [Q] bool)`, with
        vectors that are 0 where it is not filled; the same on all replicas.
    """
    first = first_row(ops.shape(own)[0])
    vectors = _own_first(own, first)
    images = ops.shape(vectors)[0] // views
    if ids is not None:
        ids = _own_first(ids, first // views)
    queue_size, is_real = 0, None
    if queue is not None:
        queue_ids, queue_vectors, is_filled = queue
        queue_size = queue_vectors.shape[0]
        is_filled = ops.cast(is_filled, vectors.dtype)
        is_real = ops.concatenate([ops.ones_like(vectors[:, 0]), is_filled])
        queue_vectors = ops.stop_gradient(queue_vectors)
        vectors = ops.concatenate([vectors, queue_vectors])
        if ids is not None:
            queue_ids = ops.cast(queue_ids, ids.dtype)
            ids = ops.concatenate([ids, queue_ids])
    groups = group_by_class(
        ids, images + queue_size, unlabeled_label=unlabeled_label
    )
    classes = ops.repeat(groups[:images] if queue_size else groups, views)
    if queue_size:
        classes = ops.concatenate([classes, groups[images:]])
    return Contrasts(
        own,
        vectors,
        classes,
        views,
        stride,
        bound,
        is_real,
        first,
        queue_size,
        has_rest=bool(queue_size) or num_replicas() > 1,
    )


def as_queue(queue, dim, dtype, *, has_labels):
    """Checks the queue of `supcon_loss` and converts it to tensors.

    Args:
      queue: as for `supcon_loss`.
      dim: int D.
      dtype: dtype of the batch's projections.
      has_labels: whether the batch has labels.

    Returns:
      The labels, or None if the batch has none; `[Q, D]` projections of
      `dtype`, 0 where the queue is not filled; and `[Q]` bool, is_filled.

    Raises:
      ValueError: if it is not such a tuple, or if its projections have another
        number of dimensions D.
    """
    if not isinstance(queue, (tuple, list)) or len(queue) != 3:
        raise ValueError(
            "`queue` must be a tuple (labels, projections, is_filled). "
            f"Received: {type(queue).__name__}"
        )
    labels, projections, is_filled = queue
    projections = ops.convert_to_tensor(projections)
    shape = tuple(projections.shape)
    if len(shape) != 2 or None in shape or shape[1] != dim:
        raise ValueError(
            f"`queue` must hold projections of shape [Q, {dim}], as many "
            f"dimensions as the batch's. Received: shape={shape}"
        )
    is_filled = ops.convert_to_tensor(is_filled)
    if (
        tuple(is_filled.shape) != shape[:1]
        or keras.backend.standardize_dtype(is_filled.dtype) != "bool"
    ):
        raise ValueError(
            f"`queue` must hold is_filled as bool of shape [{shape[0]}]. "
            f"Received: dtype={is_filled.dtype}, "
            f"shape={tuple(is_filled.shape)}"
        )
    if has_labels and (labels is None or np.shape(labels)[:1] != shape[:1]):
        raise ValueError(
            f"`queue` must hold {shape[0]} labels, as many as projections. "
            f"Received: {None if labels is None else np.shape(labels)}"
        )
    projections = ops.cast(projections, dtype)
    zeros = ops.zeros_like(projections)
    projections = ops.where(is_filled[:, None], projections, zeros)
    return labels if has_labels else None, projections, is_filled


def _extra(similarities, own, scale):
    """The log-sum-exp of `[n, S]` times 1 / temperature, `[n]`."""
    similarities = ops.cast(similarities, own.dtype)
    shape, rows = tuple(similarities.shape), own.shape[0]
    if len(shape) != 2 or (None not in (shape[0], rows) and shape[0] != rows):
        raise ValueError(
            "`extra_similarities` must have shape [B * V, S], one row for each "
            f"projection. Received: shape={shape}"
        )
    is_real = similarities > -math.inf
    similarities = ops.where(is_real, similarities, 0.0) * scale
    similarities = ops.where(is_real, similarities, lowest(own.dtype))
    return ops.logsumexp(similarities, axis=1)


def _over_temperature(vectors, temperature, normalize):
    """Scales vectors so that products are similarities over the temperature.

    A temperature that is a tensor does not change them.
    """
    if normalize:
        vectors = unit_length(vectors)
    if not isinstance(temperature, numbers.Real):
        return vectors
    return vectors / math.sqrt(temperature)


def _own_first(x, first):
    """`[n, ...]` -> `[N, ...]` of all replicas, with the own rows first."""
    if num_replicas() == 1:
        return x
    return ops.roll(concat_over_replicas(x), -first, axis=0)
