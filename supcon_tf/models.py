"""The models of pretraining: projection head and SupConModel."""

import keras
import tensorflow as tf
from keras import layers, ops

from supcon_tf import metrics, replicas
from supcon_tf.distribution import (
    num_replicas,
    part_of_sum,
    sum_over_replicas,
)
from supcon_tf.losses import SupConLoss
from supcon_tf.projections import unit_length


@keras.saving.register_keras_serializable("supcon_tf")
class ProjectionHead(layers.Layer):
    """Projection head of Sec. 3.1 of the paper: representation -> projection.

    A stack of dense layers with ReLU between them; the last one is linear and
    without bias, as in the official code, and its output is scaled to unit
    length. The head serves pretraining alone: the representation before it is
    what a classifier is trained on.

    Args:
      units: positive ints, width of each dense layer; the last is the
        projection dim D. `(2048, 128)` in the paper; `(128,)` is one linear
        layer.
      batch_norm: whether a BatchNormalization follows each hidden dense layer
        (SimCLR's head).

    Call arguments:
      representations: `[B, R]` floats.

    Returns:
      `[B, D]` projections of unit length, float32 (float64 stays float64).

    Raises:
      ValueError: if `units` is empty or not positive.

    Example:
      >>> ProjectionHead(units=(64, 16))(keras.ops.ones((8, 32))).shape
      TensorShape([8, 16])

    Reference:
      Khosla et al. 2020, Sec. 3.1; batch_norm: Chen et al. 2020 (SimCLR).
    """

    def __init__(self, units=(2048, 128), batch_norm=False, **kwargs):
        super().__init__(**kwargs)
        units = tuple(units)
        if not units or not all(isinstance(u, int) and u > 0 for u in units):
            raise ValueError(
                f"`units` must be one or more ints > 0. Received: units={units}"
            )
        self.units = units
        self.batch_norm = batch_norm
        self._stack = []
        for index, width in enumerate(units[:-1]):
            self._stack.append(
                layers.Dense(
                    width,
                    use_bias=not batch_norm,
                    dtype=self.dtype_policy,
                    name=f"dense_{index}",
                )
            )
            if batch_norm:
                self._stack.append(
                    layers.BatchNormalization(
                        momentum=0.9,
                        epsilon=1e-5,
                        dtype=self.dtype_policy,
                        name=f"bn_{index}",
                    )
                )
            self._stack.append(
                layers.ReLU(dtype=self.dtype_policy, name=f"relu_{index}")
            )
        self._stack.append(
            layers.Dense(
                units[-1],
                use_bias=False,
                dtype=self.dtype_policy,
                name="projection",
            )
        )

    def build(self, input_shape):
        """Creates the weights for representations of `input_shape`."""
        for layer in self._stack:
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)
        self.built = True

    def call(self, representations, training=None):
        """`[B, R]` -> `[B, D]`."""
        x = representations
        for layer in self._stack:
            x = layer(x, training=training)
        is_double = self.compute_dtype == "float64"
        return unit_length(ops.cast(x, "float64" if is_double else "float32"))

    def compute_output_shape(self, input_shape):
        """`(B, R)` -> `(B, D)`."""
        return (*input_shape[:-1], self.units[-1])

    def get_config(self):
        """Every argument of the constructor."""
        return {
            **super().get_config(),
            "units": self.units,
            "batch_norm": self.batch_norm,
        }


@keras.saving.register_keras_serializable("supcon_tf")
class SupConModel(keras.Model):
    """Encoder and projection head, applied to every view of every image.

    Folds the views into the batch, `[B, V, ...]` -> `[B * V, ...]`, so that
    BatchNormalization sees all of them at once, and unfolds the projections.
    While it trains it logs, beside `loss`: `contrastive_loss`, the mean over
    the images without regularisers and sample weights, and, if the loss is a
    `SupConLoss`, its `collapsed_loss`, the value that identical projections
    would give for this batch, and `loss_position`: 1 at that value, 0 at
    `metrics.loss_floor`. A run whose `contrastive_loss` stays at
    `collapsed_loss` is stuck.

    Args:
      encoder: Keras model or layer, `[B, ...]` -> representations `[B, R]`.
      projection_head: Keras layer, `[B, R]` -> projections `[B, D]`, such as
        `ProjectionHead()`; None trains on the representations themselves.
      normalize_representation: whether the representation is scaled to unit
        length before the head, and then also in `encode` and
        `representation_model` (the official ImageNet recipes do; the CIFAR and
        SimCLR ones do not).

    Call arguments:
      images: `[B, V, ...]`, or `[B, ...]`, which is one view. The encoder's
        `input_shape` tells the two apart; an encoder without one (a subclassed
        model) must be given the views axis.

    Returns:
      `[B, V, D]` float projections.

    Raises:
      ValueError: if the input has neither the encoder's rank nor one more, or
        if it is compiled with a loss that is not a `keras.losses.Loss`.

    Example:
      >>> encoder = encoders.resnet18((32, 32, 3), stem="small_image")
      >>> model = SupConModel(encoder, ProjectionHead())
      >>> model.compile(optimizer="sgd", loss=SupConLoss())
      >>> model.fit(views, epochs=10, steps_per_epoch=195)
      >>> model.encoder.save("encoder.keras")

    Reference:
      Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, Sec. 3.
    """

    def __init__(
        self,
        encoder,
        projection_head=None,
        *,
        normalize_representation=False,
        **kwargs,
    ):
        # The encoder gets the images as they are, float32, also under a mixed
        # policy: it casts them once it has normalised them.
        super().__init__(autocast=False, **kwargs)
        self.encoder = encoder
        self.projection_head = projection_head
        self.normalize_representation = normalize_representation
        self.contrastive_loss_tracker = keras.metrics.Mean("contrastive_loss")
        self.collapsed_loss_tracker = keras.metrics.Mean("collapsed_loss")
        self.loss_position_tracker = keras.metrics.Mean("loss_position")

    def build(self, input_shape):
        """Builds encoder and head for images of `input_shape`."""
        with replicas.scope_of(self):
            has_views = self._has_views(len(input_shape))
            image_shape = (None, *input_shape[2 if has_views else 1 :])
            representations = self.encoder(keras.KerasTensor(image_shape))
            head = self.projection_head
            if head is not None and not head.built:
                head.build(representations.shape)
        self.built = True

    def call(self, images, training=None):
        """`[B, V, ...]` -> `[B, V, D]`."""
        views = 1
        if self._has_views(len(images.shape)):
            views, image_shape = images.shape[1], images.shape[2:]
            images = ops.reshape(images, (-1, *image_shape))  # [B * V, ...]
        x = self._represent(images, training)
        if self.projection_head is not None:
            x = self.projection_head(x, training=training)
        return ops.reshape(x, (-1, views, x.shape[-1]))

    def encode(self, images, training=False):
        """Representations of images, without views and without the head.

        Args:
          images: `[B, ...]` as the encoder takes them.
          training: whether layers such as BatchNormalization are in their
            training mode.

        Returns:
          `[B, R]` floats, of unit length if `normalize_representation`.
        """
        return self._represent(ops.convert_to_tensor(images), training)

    def representation_model(self):
        """The encoder to keep: a Keras model of what `encode` computes.

        It is the encoder itself, or, with `normalize_representation`, the
        encoder followed by the normalisation. It shares the weights and needs
        nothing of this package to be loaded again.
        """
        if not self.normalize_representation:
            return self.encoder
        normalization = layers.UnitNormalization(
            dtype="float32", name="unit_length"
        )
        if not hasattr(self.encoder, "input_shape"):
            return keras.Sequential([self.encoder, normalization])
        images = keras.Input(self.encoder.input_shape[1:], name="images")
        outputs = normalization(self.encoder(images))
        return keras.Model(images, outputs, name=self.encoder.name)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Contrastive loss plus regularisers; updates the logged values."""
        del x
        if not isinstance(self.loss, keras.losses.Loss):
            raise ValueError(
                "SupConModel must be compiled with a keras.losses.Loss, such "
                f"as loss=SupConLoss(). Received: loss={self.loss!r}"
            )
        queue = {}
        loss = self.loss(y, y_pred, sample_weight, **queue)
        images = ops.shape(y_pred)[0]
        # Collapse is that of the loss without weights, so look at that.
        unweighted = loss
        if sample_weight is not None:
            unweighted = self.loss(y, y_pred, **queue)
        # (Its value is a replica's part of the sum over the replicas.)
        contrastive_loss = ops.cast(unweighted, "float32") * num_replicas()
        if self.loss.reduction == "sum":
            contrastive_loss /= ops.cast(sum_over_replicas(images), "float32")
        self.contrastive_loss_tracker.update_state(contrastive_loss, images)
        if isinstance(self.loss, SupConLoss):
            collapse = metrics.collapsed_loss(y, y_pred, self.loss, **queue)
            floor = metrics.loss_floor(y, y_pred, self.loss, **queue)
            position = ops.where(
                collapse > floor,
                (contrastive_loss - floor) / (collapse - floor),
                ops.zeros_like(collapse),
            )
            self.collapsed_loss_tracker.update_state(collapse, images)
            self.loss_position_tracker.update_state(position, images)
        penalty = sum(self.losses)
        if num_replicas() > 1:
            # By images, so that a replica without any has no part in the step.
            share = ops.cast(images, loss.dtype) / ops.cast(
                sum_over_replicas(images), loss.dtype
            )
            penalty = part_of_sum(share * penalty, penalty)
        return loss + penalty

    def train_step(self, *args):
        """One step; on TensorFlow the same on one replica and on many."""
        if keras.backend.backend() != "tensorflow":
            return super().train_step(*args)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(*args)
        x = ops.convert_to_tensor(x)

        def loss_of(projections):
            loss = self.compute_loss(x, y, projections, sample_weight)
            replicas.log_loss(self, loss, ops.shape(x)[0])
            return self.optimizer.scale_loss(loss)

        variables = self.trainable_variables
        averages = replicas.moving_averages(self, x)
        with tf.GradientTape() as tape:
            projections = self(x, training=True)
            loss = loss_of(projections)
        gradients = tape.gradient(loss, variables)
        if averages:
            gradients = replicas.without_empty(gradients, x, averages)
        replicas.apply_gradients(self.optimizer, gradients, variables)
        return replicas.reducible(
            self, self.compute_metrics(x, y, projections, sample_weight)
        )

    def test_step(self, *args):
        """One step of `evaluate`."""
        logs = super().test_step(*args)
        if keras.backend.backend() != "tensorflow":
            return logs
        return replicas.reducible(self, logs)

    def make_train_function(self, *args, **kwargs):
        """Keras' own, of a model compiled with what several replicas can do."""
        replicas.check_compiled(self)
        return super().make_train_function(*args, **kwargs)

    def make_test_function(self, *args, **kwargs):
        """Keras' own, of a model compiled with what several replicas can do."""
        replicas.check_compiled(self)
        return super().make_test_function(*args, **kwargs)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None and self._distribute_strategy is not None:
            data_batch = replicas.symbolic_batch(iterator)
            iterator = None
        return super()._maybe_symbolic_build(iterator, data_batch)

    @property
    def metrics(self):
        """Those of Keras; without the values that only a `SupConLoss` has."""
        if isinstance(getattr(self, "loss", None), SupConLoss):
            return super().metrics
        of_supcon = (self.collapsed_loss_tracker, self.loss_position_tracker)
        return [
            metric
            for metric in super().metrics
            if not any(metric is tracker for tracker in of_supcon)
        ]

    def get_config(self):
        """Every argument of the constructor."""
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "projection_head": keras.saving.serialize_keras_object(
                self.projection_head
            ),
            "normalize_representation": self.normalize_representation,
        }

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        config = dict(config)
        for part in ("encoder", "projection_head"):
            config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)

    def _represent(self, images, training):
        representations = self.encoder(images, training=training)
        if self.normalize_representation:
            representations = unit_length(ops.cast(representations, "float32"))
        return representations

    def _has_views(self, rank):
        shape = getattr(self.encoder, "input_shape", None)
        if shape is None:
            return True
        if rank not in (len(shape), len(shape) + 1):
            raise ValueError(
                "Images must have the encoder's shape "
                f"{tuple(shape)}, or that with a views axis after the first. "
                f"Received: rank {rank}"
            )
        return rank == len(shape) + 1
