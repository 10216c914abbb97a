"""ContrastiveTerm: a projection head, the loss of its outputs, their logs."""

import math
import warnings
from typing import Any

import keras
import numpy as np
from keras import ops

from supcon_tf.distribution import keras_steps
from supcon_tf.distribution.collectives import num_replicas, sum_over_replicas
from supcon_tf.frameworks import keras_internals
from supcon_tf.frameworks.backends import is_spec, on_cpu
from supcon_tf.labels import known_values, refuse_names
from supcon_tf.losses.additive_margin import AdditiveMarginLoss
from supcon_tf.losses.arguments import check_flags, plain_number
from supcon_tf.losses.contrastive import ContrastiveLoss

# A trained temperature stays within these; CLIP has the same lower one.
_LOWEST, _HIGHEST = 0.01, 1.0


class ContrastiveTerm:
    """Adds the projection head of an `EncoderModel`, and its loss.

    `SupConModel` and `JointModel` share this class. They name the output of the
    head `projections`, and call `_add_projection_head` when they are made.
    """

    # Whether the floor of the loss is that of what the loss is given.
    _has_floor = True

    def _add_projection_head(self, projection_head, learn_temperature):
        """Adds the head, a layer or None, and the logged values."""
        check_flags(learn_temperature=learn_temperature)
        self.projection_head = projection_head
        self.learn_temperature = learn_temperature
        self.log_scale = None
        if learn_temperature:
            self.temperature_tracker = keras.metrics.Mean("temperature")
        self.contrastive_loss_tracker = keras.metrics.Mean("contrastive_loss")
        self.collapsed_loss_tracker = keras.metrics.Mean("collapsed_loss")
        self.loss_position_tracker = keras.metrics.Mean("loss_position")

    @property
    def metrics(self):
        """Keras' metrics, without values that the loss cannot compute."""
        loss = self._loss_of("projections")
        untold = []
        if not _has_reference_values(loss):
            untold.append(self.collapsed_loss_tracker)
        if not untold and loss.has_floor() and self._has_floor:
            return super().metrics
        untold.append(self.loss_position_tracker)
        return [
            metric
            for metric in super().metrics
            if not any(metric is tracker for tracker in untold)
        ]

    @property
    def temperature(self):
        """The trained temperature, a scalar tensor; None without one."""
        return None if self.log_scale is None else ops.exp(-self.log_scale)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Predicts projections, which are no representations: see `encode`.

        The projection head forgets what contrast does not need. What is kept,
        searched or classified are the representations: `encode(images)` gives
        those of images, and `supcon_tf.evaluation.encode_all(encoder, source)`
        those of a whole data set.

        Args:
          *args: as for `keras.Model.predict`.
          **kwargs: likewise.

        Returns:
          What the model returns for a batch, for all batches.
        """
        return super().predict(*args, **kwargs)

    def make_train_function(self, *args, **kwargs):
        """As in Keras, once a trained temperature has its first value."""
        self._check_metrics()
        self._start_temperature()
        if self.learn_temperature:
            keras_internals.exclude_from_weight_decay(
                self.optimizer, self.log_scale
            )
        return super().make_train_function(*args, **kwargs)

    def make_test_function(self, *args, **kwargs):
        """As in Keras, once a trained temperature has its first value."""
        self._check_metrics()
        self._start_temperature()
        return super().make_test_function(*args, **kwargs)

    def _check_labels(self, labels):
        """As in `CheckedInputs`, by the rules of the compiled loss."""
        super()._check_labels(labels)
        if labels is None:
            return
        if is_spec(labels):
            refuse_names(labels)
            return
        loss = self._loss_of("projections")
        if isinstance(loss, ContrastiveLoss):
            with on_cpu():
                loss.check_labels(labels)

    def _check_loss(self):
        """Refuses losses of scores, which projections are not."""
        super()._check_loss()
        loss = self._loss_of("projections")
        is_of_scores = isinstance(loss, AdditiveMarginLoss) or (
            type(loss).__module__.startswith("keras.")
            and type(loss).__name__ != "LossFunctionWrapper"
        )
        if is_of_scores:
            raise ValueError(
                "The loss of projections must be contrastive, such as "
                f"SupConLoss(). Received: {type(loss).__name__}, a loss of "
                "scores"
            )

    def _check_metrics(self):
        """Refuses compiled metrics of projections that are of scores."""
        for name, metrics in keras_internals.metrics_of(self).items():
            if isinstance(metrics, dict) and len(self._heads) > 1:
                metrics = metrics.get("projections")
            _refuse_accuracy(name, metrics)

    def _warn_before_fit(self, images, labels, batch_size):
        """Warns of batches of which the loss is 0, whatever the projections.

        They are known before the first step if there are no labels, if all of
        them differ, or if a batch is one image.
        """
        loss = self._loss_of("projections")
        replicas = keras_steps.replicas_of(self)
        if (
            not isinstance(loss, ContrastiveLoss)
            or loss.features_of is not None
            or max(replicas, num_replicas()) > 1
        ):
            return
        has_queue = getattr(self, "queue_size", 0) > 0
        size = min(batch_size or 4, 4)
        if labels is None:
            trial, what = None, "no labels"
        elif _all_unlabeled(labels, loss.unlabeled_label):
            trial = np.full(size, loss.unlabeled_label)
            what = "images that are all unlabeled"
        elif not has_queue and _all_differ(labels):
            trial, what = np.arange(size), "labels that all differ"
        elif not has_queue and size == 1:
            trial, what = np.zeros(1, int), "one image"
        else:
            return
        shapes = keras.tree.map_structure(lambda x: tuple(x.shape), images)
        views = sum(
            shape[1] if self._has_views(len(shape)) else 1
            for shape in self._by_size(shapes)
        )
        if _is_zero(loss, trial, size, views):
            warnings.warn(
                f"{type(loss).__name__} is 0 and trains nothing with {what} "
                f"and {views} view{'s' * (views > 1)} of each image, "
                f"batch_size={batch_size}: give several views, labels that "
                "images share, and batches of several images",
                stacklevel=4,
            )

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "projection_head": keras.saving.serialize_keras_object(
                self.projection_head
            ),
            "learn_temperature": self.learn_temperature,
        }

    def _build_more(self, representation_shape):
        super()._build_more(representation_shape)
        if not self.learn_temperature or self.log_scale is not None:
            return
        # A model that is not compiled yet does not know the first value.
        first = math.nan
        if self._loss_of("projections") is not None:
            first = self._first_log_scale()
        self.log_scale = self.add_weight(
            name="log_scale",
            shape=(),
            dtype=keras.backend.result_type(self.variable_dtype, "float32"),
            initializer=keras.initializers.Constant(first),
            constraint=_within_bounds,
            autocast=False,
        )

    def _first_log_scale(self):
        """The log of 1 / temperature of the compiled loss."""
        loss = self._loss_of("projections")
        number = None
        if "temperature" in getattr(loss, "also_takes", ()):
            number = loss.temperature
            if not getattr(number, "shape", ()):
                number = plain_number(number)
        if not isinstance(number, float | int) or not (
            _LOWEST <= number <= _HIGHEST
        ):
            raise ValueError(
                f"{type(self).__name__}(learn_temperature=True) must be "
                "compiled with a loss that has one temperature, from "
                f"{_LOWEST} to {_HIGHEST}, such as SupConLoss(0.1). Received: "
                f"{type(loss).__name__} with temperature={number!r}"
            )
        return -math.log(number)

    def _start_temperature(self):
        """Gives the weight the loss's temperature, unless it has a value."""
        if not self.learn_temperature:
            return
        first = self._first_log_scale()
        weight = self.log_scale
        if keras_internals.has_value(weight) and bool(ops.isnan(weight)):
            weight.assign(first)

    def _contrastive_loss(self, labels, projections, sample_weight, **more):
        """The loss of `[B, V, D]`, a scalar; updates the logged values."""
        compiled = self._loss_of("projections")
        images = ops.shape(projections)[0]
        if self.learn_temperature:
            more["temperature"] = self.temperature
            self.temperature_tracker.update_state(self.temperature)
        loss = compiled(labels, projections, sample_weight, **more)
        # The value at collapse is that of the loss without sample weights.
        unweighted = loss
        if sample_weight is not None:
            unweighted = compiled(labels, projections, **more)
        # The value of the loss is a replica's part of the sum over replicas.
        contrastive_loss = ops.cast(unweighted, "float32") * num_replicas()
        if compiled.reduction == "sum":
            contrastive_loss /= ops.cast(sum_over_replicas(images), "float32")
        self.contrastive_loss_tracker.update_state(contrastive_loss, images)
        if _has_reference_values(compiled):
            collapse, floor = compiled.reference_values(
                labels, projections, **more
            )
            self.collapsed_loss_tracker.update_state(collapse, images)
            if floor is not None:
                position = ops.where(
                    collapse > floor,
                    (contrastive_loss - floor) / (collapse - floor),
                    ops.zeros_like(collapse),
                )
                self.loss_position_tracker.update_state(position, images)
        return loss


def _refuse_accuracy(name, metrics):
    """Refuses Keras' metrics, which compare labels with scores."""
    for metric in keras.tree.flatten(metrics):
        text = metric if isinstance(metric, str) else type(metric).__name__
        is_of_keras = isinstance(metric, str) or (
            type(metric).__module__.startswith("keras.")
            and type(metric) is not keras.metrics.MeanMetricWrapper
            and isinstance(metric, keras.metrics.Metric)
        )
        if is_of_keras:
            raise ValueError(
                f"`{name}` must be of projections, which are no scores: "
                "supcon_tf.metrics.contrastive_top_1, or supcon_tf.KNNCallback,"
                f" which logs an accuracy. Received: {name}={text!r}"
            )


def _all_differ(labels):
    """Whether each image has a class of its own; False if it is not known."""
    if is_spec(labels):
        return False
    values = known_values(labels)
    if values is None or len(values) < 2:
        return False
    return len(np.unique(values, axis=0)) == len(values)


def _all_unlabeled(labels, unlabeled_label):
    """Whether no image has a class; False if it is not known."""
    if unlabeled_label is None or is_spec(labels):
        return False
    values = known_values(labels)
    return values is not None and bool(np.all(values == unlabeled_label))


def _is_zero(loss, labels, batch, views):
    """Whether the loss of some random projections `[B, V, 4]` is 0."""
    rows = np.random.default_rng(0).normal(size=(batch, views, 4))
    try:
        losses = loss.call(labels, ops.convert_to_tensor(rows, "float32"))
    except (ValueError, TypeError):  # it will refuse them itself, and say why
        return False
    return bool(np.all(np.abs(ops.convert_to_numpy(losses)) < 1e-6))


def _has_reference_values(loss):
    """Whether a loss can compute its value at collapse and its floor."""
    return isinstance(loss, ContrastiveLoss) and loss.has_reference_values()


def _within_bounds(log_scale):
    """The log of 1 / temperature, moved to the nearest that is allowed."""
    return ops.clip(log_scale, -math.log(_HIGHEST), -math.log(_LOWEST))
