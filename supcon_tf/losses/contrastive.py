"""ContrastiveLoss: what every loss of pairs of projections shares."""

import keras
from keras import ops

from supcon_tf.losses.pairs.contrasts import as_queue
from supcon_tf.losses.pairs.positives import class_sizes
from supcon_tf.losses.pairs.projections import as_views
from supcon_tf.losses.reduction import reduced


class ContrastiveLoss(keras.losses.Loss):
    """A loss of the projections of a batch, its labels, and perhaps a queue.

    It keeps integer labels exact, computes in at least float32, and reduces
    the losses of the images as Keras says, over all replicas. What a model
    wants to know of a contrastive loss it asks here.

    A subclass has `losses_of_images`. If it has `losses_of_points` as well,
    the values of total collapse and of the floor can be told.

    Args:
      name: name of the loss.
      reduction: as for any Keras loss, applied to the losses of the images.
      dtype: dtype of the computation: None (`keras.backend.floatx()`, but at
        least float32), `"float32"` or `"float64"`.

    Raises:
      ValueError: if the dtype is a half precision, in which no log-sum-exp is
        exact.
    """

    unlabeled_label = None

    def __init__(self, name=None, reduction="sum_over_batch_size", dtype=None):
        if dtype is None and keras.backend.floatx() != "float64":
            dtype = "float32"
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if self.dtype not in ("float32", "float64"):
            raise ValueError(
                "`dtype` must be None, 'float32' or 'float64'. "
                f"Received: dtype={self.dtype!r}"
            )

    def losses_of_images(self, labels, projections, queue=None):
        """The loss of each image.

        Args:
          labels: as the subclass takes them, or None.
          projections: `[B, V, D]` floats of the loss's dtype.
          queue: None, or as for `supcon_loss`.

        Returns:
          `[B]` floats.
        """
        raise NotImplementedError

    def losses_of_points(self, sizes, gap):
        """The loss of each image if every class were one point.

        Args:
          sizes: `ClassSizes` of the batch and the queue.
          gap: by how much the similarity of two classes is below 1, that of a
            class with itself: 0 if all points coincide.

        Returns:
          `[B]` float32.
        """
        raise NotImplementedError

    def __call__(self, y_true, y_pred, sample_weight=None, queue=None):
        """Reduced loss.

        (Not Keras' own: that casts integer labels to floats, which float32
        cannot tell apart, takes the mean over the replica, and heeds a mask.)
        """
        with keras.name_scope(self.name):
            losses = self.call(y_true, y_pred, queue=queue)
            return reduced(losses, sample_weight, self.reduction)

    def call(self, y_true, y_pred, queue=None):
        """`[B]` losses of the images."""
        y_pred = ops.cast(as_views(y_pred), self.dtype)
        return self.losses_of_images(y_true, y_pred, queue=queue)

    def get_config(self):
        """Every argument of the constructor."""
        return {**super().get_config(), "dtype": self.dtype}

    def has_reference_values(self):
        """Whether `reference_values` can be told."""
        own, base = type(self), ContrastiveLoss
        return own.losses_of_points is not base.losses_of_points

    def reference_values(self, labels, projections, queue=None):
        """What the loss of a batch would be at total collapse, and at best.

        Args:
          labels: as for the loss.
          projections: `[B, V, D]` or `[B, D]`; only the shape matters.
          queue: as for the loss.

        Returns:
          Two float32 scalars, means over the images: the value if all
          projections coincide, and the value if each class were one point and
          all classes as far apart as can be, the corners of a simplex.
        """
        projections = as_views(projections)
        if queue is not None:
            queue = as_queue(
                queue,
                projections.shape[2],
                "float32",
                has_labels=labels is not None,
            )
        sizes = class_sizes(
            labels,
            projections,
            unlabeled_label=self.unlabeled_label,
            queue=queue,
        )
        widest = sizes.classes / ops.maximum(sizes.classes - 1, 1)
        batch = ops.cast(ops.shape(sizes.same)[0], "float32")

        def mean(gap):
            losses = self.losses_of_points(sizes, gap)
            return ops.sum(losses) / ops.maximum(batch, 1)

        return mean(0.0), mean(widest)
