"""SupConModel: encoder and projection head, and how they are trained."""

import keras
import tensorflow as tf
from keras import layers, ops

from supcon_tf import metrics, replicas
from supcon_tf.distribution import (
    concat_over_replicas,
    num_replicas,
    part_of_sum,
    sum_over_replicas,
)
from supcon_tf.gradient_cache import cached_gradients, outputs_in_pieces
from supcon_tf.labels import as_ids
from supcon_tf.losses import SupConLoss
from supcon_tf.momentum import LabelledQueue, MomentumEncoder
from supcon_tf.projections import unit_length


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
      queue_size: int >= 0; if positive, the batch is contrasted with so many
        projections of earlier batches as well (`momentum.LabelledQueue`). They
        are positives and negatives, but no anchors, and have no gradient.
      encoder_momentum: None, or a float m in [0, 1), with a queue: what goes
        into the queue are the projections of a copy of encoder and head whose
        weights follow slowly, w' <- m w' + (1 - m) w, and so are more alike
        over the steps (`momentum.MomentumEncoder`); 0.999 in MoCo. With None
        they are those of the step itself.
      num_microbatches: int k >= 1: a training step takes the batch in k
        pieces, one in memory at a time, and has the gradient of the whole
        batch, at the price of a second forward
        (`gradient_cache.cached_gradients`). BatchNormalization sees a piece at
        a time, on several replicas the pieces of all that run at once. On
        TensorFlow.

    Call arguments:
      images: `[B, V, ...]`, or `[B, ...]`, which is one view. The encoder's
        `input_shape` tells the two apart; an encoder without one (a subclassed
        model) must be given the views axis.

    Returns:
      `[B, V, D]` float projections.

    Raises:
      ValueError: if an argument is out of its range; if the input has neither
        the encoder's rank nor one more; if it is compiled with a loss that is
        not a `keras.losses.Loss`, with a queue not a `SupConLoss`; on several
        replicas, if it is compiled with what they cannot do.

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
        queue_size=0,
        encoder_momentum=None,
        num_microbatches=1,
        **kwargs,
    ):
        _check_small_batches(queue_size, encoder_momentum, num_microbatches)
        # The encoder gets the images as they are, float32, also under a mixed
        # policy: it casts them once it has normalised them.
        super().__init__(autocast=False, **kwargs)
        self.encoder = encoder
        self.projection_head = projection_head
        self.normalize_representation = normalize_representation
        self.queue_size = queue_size
        self.encoder_momentum = encoder_momentum
        self.num_microbatches = num_microbatches
        self.queue = None
        self.momentum_encoder = None
        self._normalization = None
        if normalize_representation:
            self._normalization = layers.UnitNormalization(
                dtype="float32", name="unit_length"
            )
        if encoder_momentum is not None:
            self.momentum_encoder = MomentumEncoder(encoder_momentum)
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
            if self._normalization is not None:
                self._normalization.build(representations.shape)
            if self.queue_size and self.queue is None:
                dim = representations.shape[-1]
                if head is not None:
                    dim = head.compute_output_shape((None, dim))[-1]
                self.queue = LabelledQueue(self.queue_size, dim, name="queue")
            momentum_encoder = self.momentum_encoder
            if momentum_encoder is not None and not momentum_encoder.built:
                momentum_encoder.follow(self._forward_layers())
        self.built = True

    def call(self, images, training=None):
        """`[B, V, ...]` -> `[B, V, D]`."""
        images, views = self._folded(images)
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
        if not hasattr(self.encoder, "input_shape"):
            return keras.Sequential([self.encoder, self._normalization])
        images = keras.Input(self.encoder.input_shape[1:], name="images")
        outputs = self._normalization(self.encoder(images))
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
        if self.loss.reduction in (None, "none"):
            raise ValueError(
                "SupConModel must be compiled with a loss that is reduced. "
                f"Received: reduction={self.loss.reduction!r}"
            )
        if self.num_microbatches > 1 or num_replicas() > 1:
            self._refuse_added_losses()
        queue = {}
        if training and self.queue is not None:
            if not isinstance(self.loss, SupConLoss):
                raise ValueError(
                    "SupConModel with a queue must be compiled with a "
                    f"SupConLoss. Received: loss={self.loss!r}"
                )
            queue = {"queue": self.queue.items()}
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
        return loss + ops.cast(penalty, loss.dtype)

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
        if self.num_microbatches == 1:
            with tf.GradientTape() as tape:
                projections = self(x, training=True)
                loss = loss_of(projections)
            gradients = tape.gradient(loss, variables)
        else:
            _, projections, gradients = cached_gradients(
                lambda images: self(images, training=True),
                x,
                loss_of,
                trainable=variables,
                state=_state(self._forward_layers()),
                num_microbatches=self.num_microbatches,
            )
        if averages:
            gradients = replicas.without_empty(gradients, x)
        replicas.apply_gradients(self.optimizer, gradients, variables)
        if self.queue is not None:
            self._enqueue(x, y, projections)
        replicas.set_back(averages)
        return replicas.reducible(
            self, self.compute_metrics(x, y, projections, sample_weight)
        )

    def test_step(self, *args):
        """One step of `evaluate`."""
        logs = super().test_step(*args)
        if keras.backend.backend() != "tensorflow":
            return logs
        return replicas.reducible(self, logs)

    def train_on_batch(self, *args, **kwargs):
        """Keras' own, on one replica."""
        replicas.refuse_whole_batches(self, "train_on_batch", "fit")
        return super().train_on_batch(*args, **kwargs)

    def test_on_batch(self, *args, **kwargs):
        """Keras' own, on one replica."""
        replicas.refuse_whole_batches(self, "test_on_batch", "evaluate")
        return super().test_on_batch(*args, **kwargs)

    def predict_on_batch(self, *args, **kwargs):
        """Keras' own, on one replica."""
        replicas.refuse_whole_batches(self, "predict_on_batch", "predict")
        return super().predict_on_batch(*args, **kwargs)

    def make_train_function(self, *args, **kwargs):
        """Keras' own, of a model compiled with what several replicas can do."""
        replicas.check_compiled(self)
        return super().make_train_function(*args, **kwargs)

    def make_test_function(self, *args, **kwargs):
        """Keras' own, of a model compiled with what several replicas can do."""
        replicas.check_compiled(self)
        return super().make_test_function(*args, **kwargs)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None and (
            not self.built or self._distribute_strategy is not None
        ):
            iterator, data_batch = None, replicas.symbolic_batch(iterator)
        if not self.built:  # now: a graph has no values of weights to copy
            images, *_ = keras.utils.unpack_x_y_sample_weight(data_batch)
            self.build(images.shape)
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
            "queue_size": self.queue_size,
            "encoder_momentum": self.encoder_momentum,
            "num_microbatches": self.num_microbatches,
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
            # (Unlike the layer, with a finite gradient where it is 0.)
            representations = unit_length(ops.cast(representations, "float32"))
        return representations

    def _forward_layers(self):
        """What makes projections of images, one layer after the other."""
        return [self.encoder, self._normalization, self.projection_head]

    def _enqueue(self, images, labels, projections):
        """Puts the batch of all replicas into the queue, after its use."""
        images, views = self._folded(images)
        if self.momentum_encoder is not None:
            self.momentum_encoder.update(self._forward_layers())
            projections = outputs_in_pieces(
                lambda images: self.momentum_encoder(images, training=True),
                images,
                state=_state(self.momentum_encoder.copies),
                num_microbatches=self.num_microbatches,
            )
        projections = ops.reshape(projections, (-1, projections.shape[-1]))
        ids = as_ids(labels, ops.shape(images)[0] // views)
        if ids is not None:
            ids = concat_over_replicas(ops.repeat(ids, views))
        self.queue.enqueue(
            ids, concat_over_replicas(ops.stop_gradient(projections))
        )

    def _refuse_added_losses(self):
        """Refuses losses of a part of the batch, which are not those of all.

        (Those of replicas, too: Keras keeps them in one list for all.)
        """
        regularized = [
            weight
            for weight in self.trainable_weights
            if weight.regularizer is not None
        ]
        added = len(self.losses) - len(regularized)
        if added:
            raise ValueError(
                "Activity regularisers and add_loss must be left out with "
                "several replicas or microbatches. Received: "
                f"{added} such losses, {num_replicas()} replicas, "
                f"num_microbatches={self.num_microbatches}"
            )

    def _folded(self, images):
        """`[B, V, ...]` or `[B, ...]` -> `[B * V, ...]`, and V."""
        if not self._has_views(len(images.shape)):
            return images, 1
        views = images.shape[1]
        if views is None:
            raise ValueError(
                "The number of views must be known. "
                f"Received: images of shape {tuple(images.shape)}"
            )
        return ops.reshape(images, (-1, *ops.shape(images)[2:])), views

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


def _state(layers):
    """What a forward in training mode may change."""
    return [
        variable
        for layer in layers
        if layer is not None
        for variable in layer.non_trainable_variables
    ]


def _check_small_batches(queue_size, encoder_momentum, num_microbatches):
    backend = keras.backend.backend()
    if (queue_size or num_microbatches != 1) and backend != "tensorflow":
        raise ValueError(
            "`queue_size` and `num_microbatches` must be 0 and 1 on other "
            f"backends than TensorFlow. Received: backend={backend!r}"
        )
    for name, value, least in (
        ("queue_size", queue_size, 0),
        ("num_microbatches", num_microbatches, 1),
    ):
        is_int = isinstance(value, int) and not isinstance(value, bool)
        if not is_int or value < least:
            raise ValueError(
                f"`{name}` must be an int >= {least}. Received: {name}={value}"
            )
    if encoder_momentum is not None and not queue_size:
        raise ValueError(
            "`encoder_momentum` must be None without a queue: it makes what "
            f"goes into it. Received: encoder_momentum={encoder_momentum}, "
            "queue_size=0"
        )
