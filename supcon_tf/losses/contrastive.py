"""ContrastiveLoss, the base class of the losses of pairs of projections."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from supcon_tf.distribution.collectives import sum_over_replicas
from supcon_tf.distribution.own_rows import mesh_for, over_own_rows
from supcon_tf.labels import as_ids, known_values
from supcon_tf.losses.pairs.contrasts import as_queue
from supcon_tf.losses.pairs.positives import class_sizes
from supcon_tf.losses.pairs.projections import as_views
from supcon_tf.losses.reduction import reduced

# What a loss may be given if it names it in `also_takes`.
_OPTIONAL = ("temperature", "extra_similarities")


class ContrastiveLoss(keras.losses.Loss):
    """A loss of the projections of a batch, its labels, and perhaps a queue.

    It keeps integer labels exact, computes in at least float32, and reduces the
    losses of the images over all replicas, in the ways that Keras names. A
    model asks it for all that it wants to know of a contrastive loss.

    A subclass implements `losses_of_images`. If its value depends on the
    directions of the projections alone, it sets `has_value_at_collapse`, and
    `reference_values` gives its value if all projections coincide. If it also
    implements `losses_of_points`, they include its floor.

    Attributes:
      also_takes: names of what the call may be given beside a queue, such as
        `"temperature"`, for a loss that then uses it in place of its own
        `temperature`.
      features_of: None for labels that are classes; else a function of labels
        and their number that returns `[B, F]` numbers.

    Args:
      name: name of the loss.
      reduction: as for any Keras loss, applied to the losses of the images.
      dtype: dtype of the computation. It is `"float32"`, `"float64"`, or None,
        which is `keras.backend.floatx()`, but at least float32. Off TensorFlow
        float64 is not exact: Keras 3.15 multiplies matrices in float32 on
        PyTorch, and JAX has float64 only with `jax_enable_x64`.

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
    has_value_at_collapse = False
    also_takes = ()
    features_of = None

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ):
        if dtype is None and keras.backend.floatx() != "float64":
            dtype = "float32"
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if self.dtype not in ("float32", "float64"):
            raise ValueError(
                "`dtype` must be None, 'float32' or 'float64'. "
                f"Received: dtype={self.dtype!r}"
            )

    def losses_of_images(
        self, labels: Any, projections: Any, queue: Any = None, **more: Any
    ) -> Any:
        """The loss of each image.

        Args:
          labels: in the form that the subclass takes, or None.
          projections: `[B, V, D]` floats of the dtype of the loss.
          queue: None, or as for `supcon_loss`.
          **more: what else the call was given, such as a temperature.

        Returns:
          `[B]` floats.
        """
        raise NotImplementedError

    def losses_of_points(self, sizes: Any, gap: Any, **more: Any) -> Any:
        """The loss of each image if every class were one point.

        Args:
          sizes: `ClassSizes` of the batch and the queue.
          gap: difference between the similarity of a class to itself, 1, and
            that of two classes. It is 0 if all points coincide.
          **more: what else the call was given, such as a temperature.

        Returns:
          `[B]` float32.
        """
        raise NotImplementedError

    def __call__(self, y_true, y_pred, sample_weight=None, **more):
        """Reduces the losses of the images to one number.

        Keras' own `__call__` would cast integer labels to floats, and float32
        cannot tell large integers apart. It would also take the mean over the
        replica alone, and apply a mask.

        Args:
          y_true: labels, or None.
          y_pred: projections `[B, V, D]` or `[B, D]`.
          sample_weight: None, or `[B]` weights of the images.
          **more: what `losses_of_images` takes beside, such as `queue`, the
            `temperature` that a model trains, or the `extra_similarities` of
            `supcon_loss`. None is as if it were not given.
        """
        with keras.name_scope(self.name):
            losses = self.call(y_true, y_pred, **more)
            return reduced(losses, sample_weight, self.reduction)

    def call(self, y_true, y_pred, **more):
        """The losses of the images, `[B]`."""
        y_pred = ops.cast(as_views(y_pred), self.dtype)
        more = {name: x for name, x in more.items() if x is not None}
        for name in _OPTIONAL:
            if name in more and name not in self.also_takes:
                raise ValueError(
                    f"`{name}` must be None with {type(self).__name__}, which "
                    f"does not take it. Received: {type(more[name]).__name__}"
                )
        return self._losses_on_devices(y_true, y_pred, more)

    def check_labels(self, labels: Any) -> None:
        """Refuses labels as the loss does outside of a graph, and trains none.

        A model asks this before its first step, since a compiled step does not
        know the values.

        Args:
          labels: the labels of some or all images, of known values; or None.

        Raises:
          ValueError: if the loss would refuse them.
        """
        if labels is None:
            return
        if self.features_of is None:
            as_ids(labels, len(labels))
        else:
            self.features_of(labels, len(labels))

    def get_config(self):
        """Returns every argument of the constructor."""
        return {**super().get_config(), "dtype": self.dtype}

    def has_floor(self):
        """Whether the subclass can compute the least value of the loss."""
        own, base = type(self), ContrastiveLoss
        return own.losses_of_points is not base.losses_of_points

    def has_reference_values(self):
        """Whether the subclass can compute `reference_values`."""
        return self.has_value_at_collapse or self.has_floor()

    def reference_values(
        self, labels: Any, projections: Any, queue: Any = None, **more: Any
    ) -> Any:
        """The loss of a batch at total collapse, and at best.

        Args:
          labels: as for the loss.
          projections: `[B, V, D]` or `[B, D]`; only the shape matters.
          queue: as for the loss.
          **more: as for the loss.

        Returns:
          Two float32 scalars, means over the images. The first is the loss if
          all projections coincide. The second is the loss if each class is one
          point and all classes are as far apart as possible, on the corners of
          a simplex; it is None unless `has_floor`, and with
          `extra_similarities`, which depend on more than the classes.
        """
        extra = more.get("extra_similarities")
        if extra is not None:
            more["extra_similarities"] = ops.where(
                extra > -math.inf, 1.0, extra
            )
        projections = as_views(projections)
        batch = ops.cast(ops.shape(projections)[0], "float32")

        def mean(losses):
            total = sum_over_replicas(ops.sum(ops.cast(losses, "float32")))
            return total / ops.maximum(sum_over_replicas(batch), 1)

        if self.has_floor() and extra is None:
            sizes = self._class_sizes(labels, projections, queue)
            widest = sizes.classes / ops.maximum(sizes.classes - 1, 1)
            batch = ops.cast(ops.shape(sizes.same)[0], "float32")
            losses = [
                self.losses_of_points(sizes, gap, **more)
                for gap in (0.0, widest)
            ]
            return tuple(ops.sum(x) / ops.maximum(batch, 1) for x in losses)
        point = ops.cast(ops.ones_like(projections[..., :1]), self.dtype)
        if queue is not None:
            queue_labels, vectors, is_filled = queue
            ones = ops.ones((ops.shape(vectors)[0], 1), self.dtype)
            queue = {"queue": (queue_labels, ones, is_filled)}
        more |= queue or {}
        return mean(self._losses_on_devices(labels, point, more)), None

    def _losses_on_devices(self, labels, projections, more):
        """The `losses_of_images`; JAX's devices compute each those of its own.

        `more` is a dict of what the call was given beside.
        """
        mesh = mesh_for(projections)
        if mesh is None:
            return self.losses_of_images(labels, projections, **more)
        if labels is not None:
            if known_values(labels) is not None:
                self.check_labels(labels)
            labels = ops.convert_to_tensor(labels)
        more = dict(more)
        shared = {"queue": more.pop("queue")} if "queue" in more else {}
        for name in [name for name, x in more.items() if not np.ndim(x)]:
            shared[name] = more.pop(name)

        def losses(rows, shared):
            labels, projections, more = rows
            return self.losses_of_images(labels, projections, **more, **shared)

        return over_own_rows(losses, mesh, (labels, projections, more), shared)

    def _class_sizes(self, labels, projections, queue):
        """The `ClassSizes` of a batch and a queue."""
        if queue is not None:
            queue = as_queue(
                queue,
                projections.shape[2],
                "float32",
                has_labels=labels is not None,
            )
        return class_sizes(
            labels,
            projections,
            unlabeled_label=self.unlabeled_label,
            queue=queue,
        )
