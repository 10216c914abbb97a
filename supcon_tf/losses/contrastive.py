"""ContrastiveLoss, the base class of the losses of pairs of projections."""

import keras
from keras import ops

from supcon_tf.losses.pairs.contrasts import as_queue
from supcon_tf.losses.pairs.positives import class_sizes
from supcon_tf.losses.pairs.projections import as_views
from supcon_tf.losses.reduction import reduced


class ContrastiveLoss(keras.losses.Loss):
    """A loss of the projections of a batch, its labels, and perhaps a queue.

    It keeps integer labels exact, computes in at least float32, and reduces the
    losses of the images over all replicas, in the ways that Keras names. A
    model asks it for all that it wants to know of a contrastive loss.

    A subclass implements `losses_of_images`. If it also implements
    `losses_of_points`, `reference_values` gives the value of the loss at total
    collapse and its floor.

    Args:
      name: name of the loss.
      reduction: as for any Keras loss, applied to the losses of the images.
      dtype: dtype of the computation. It is `"float32"`, `"float64"`, or None,
        which is `keras.backend.floatx()`, but at least float32.

    Raises:
      ValueError: if the dtype is a half precision, in which no log-sum-exp is
        exact.

    Example:
      >>> class MeanLength(ContrastiveLoss):
      ...     def losses_of_images(self, labels, projections, queue=None):
      ...         return ops.mean(ops.norm(projections, axis=-1), axis=1)
      >>> float(MeanLength()(None, [[3.0, 4.0], [0.0, 1.0]]))
      3.0
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
          labels: in the form that the subclass takes, or None.
          projections: `[B, V, D]` floats of the dtype of the loss.
          queue: None, or as for `supcon_loss`.

        Returns:
          `[B]` floats.
        """
        raise NotImplementedError

    def losses_of_points(self, sizes, gap):
        """The loss of each image if every class were one point.

        Args:
          sizes: `ClassSizes` of the batch and the queue.
          gap: difference between the similarity of a class to itself, 1, and
            that of two classes. It is 0 if all points coincide.

        Returns:
          `[B]` float32.
        """
        raise NotImplementedError

    def __call__(self, y_true, y_pred, sample_weight=None, queue=None):
        """Reduces the losses of the images to one number.

        Keras' own `__call__` would cast integer labels to floats, and float32
        cannot tell large integers apart. It would also take the mean over the
        replica alone, and apply a mask.
        """
        with keras.name_scope(self.name):
            losses = self.call(y_true, y_pred, queue=queue)
            return reduced(losses, sample_weight, self.reduction)

    def call(self, y_true, y_pred, queue=None):
        """The losses of the images, `[B]`."""
        y_pred = ops.cast(as_views(y_pred), self.dtype)
        return self.losses_of_images(y_true, y_pred, queue=queue)

    def get_config(self):
        """Returns every argument of the constructor."""
        return {**super().get_config(), "dtype": self.dtype}

    def has_reference_values(self):
        """Whether the subclass can compute `reference_values`."""
        own, base = type(self), ContrastiveLoss
        return own.losses_of_points is not base.losses_of_points

    def reference_values(self, labels, projections, queue=None):
        """The loss of a batch at total collapse, and at best.

        Args:
          labels: as for the loss.
          projections: `[B, V, D]` or `[B, D]`; only the shape matters.
          queue: as for the loss.

        Returns:
          Two float32 scalars, means over the images. The first is the loss if
          all projections coincide. The second is the loss if each class is one
          point and all classes are as far apart as possible, on the corners of
          a simplex.
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
