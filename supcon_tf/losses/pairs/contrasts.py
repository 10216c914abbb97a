"""What anchors are compared with: their batch, other replicas', a queue."""

import dataclasses
from typing import Any

from keras import ops

from supcon_tf.distribution.collectives import (
    concat_over_replicas,
    first_row,
    num_replicas,
)
from supcon_tf.labels import group_by_class


@dataclasses.dataclass(frozen=True)
class Contrasts:
    """Projections of all replicas, the replica's own first, then of a queue.

    In this order a projection's row among the contrasts is its row among the
    replica's own.

    Attributes:
      own: `[n, D]` floats, the replica's projections.
      vectors: `[N + Q, D]` floats: the own, those of the other replicas, those
        of the queue. Gradients flow back to the replica of each, not to the
        queue.
      classes: `[N + Q]` int32, equal for projections of a class.
      is_real: `[N + Q]` floats, 0 for rows that the queue has not filled yet;
        None where there is no queue.
      first: int or int32 scalar, where the own are in the order of replicas.
      queue_size: int Q.
    """

    own: Any
    vectors: Any
    classes: Any
    is_real: Any
    first: Any
    queue_size: int

    @property
    def rest(self):
        """All but the own, as constants, or None.

        Returns:
          `[K, D]` vectors, `[K]` int32 classes, and `[K]` floats, is_real.
        """
        if not self.queue_size and num_replicas() == 1:
            return None
        start = ops.shape(self.own)[0]
        is_real = self.is_real
        if is_real is None:
            is_real = ops.ones_like(self.vectors[:, 0])
        return (
            ops.stop_gradient(self.vectors[start:]),
            self.classes[start:],
            ops.stop_gradient(is_real[start:]),
        )

    def of_rest(self, values):
        """What the others have of what each replica has of its own.

        Args:
          values: `[n, W]` floats, of the own projections.

        Returns:
          `[K, W]` floats, of the rest; 0 for the queue.
        """
        start = ops.shape(self.own)[0]
        others = _own_first(values, self.first)[start:]
        zeros = ops.zeros((self.queue_size, values.shape[1]), values.dtype)
        return ops.concatenate([others, zeros])


def compared_with(own, ids, *, views, unlabeled_label=None, queue=None):
    """The contrasts of a replica's projections.

    Args:
      own: `[b * V, D]` floats, V views of each of the replica's b images.
      ids: `[b]` integers, or None: then each image is a class of its own.
      views: int V.
      unlabeled_label: as for `supcon_loss`.
      queue: None, or `(ids [Q], vectors [Q, D], is_filled [Q] bool)`, vectors
        0 where it is not filled; the same on all replicas.

    Returns:
      `Contrasts`.
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
    return Contrasts(own, vectors, classes, is_real, first, queue_size)


def _own_first(x, first):
    """`[n, ...]` -> `[N, ...]` of all replicas, the own rows at the top."""
    if num_replicas() == 1:
        return x
    return ops.roll(concat_over_replicas(x), -first, axis=0)
