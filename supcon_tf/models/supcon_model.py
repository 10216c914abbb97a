"""SupConModel: encoder and projection head, trained by contrast."""

from typing import Any

import keras
from keras import ops

from supcon_tf.distribution.collectives import concat_over_replicas
from supcon_tf.errors import check_int
from supcon_tf.frameworks.backends import is_tensorflow
from supcon_tf.labels import as_ids
from supcon_tf.losses.contrastive import ContrastiveLoss
from supcon_tf.models.contrastive_term import ContrastiveTerm
from supcon_tf.models.encoder_model import EncoderModel, state_of
from supcon_tf.models.gradient_cache import outputs_in_pieces
from supcon_tf.models.labelled_queue import LabelledQueue
from supcon_tf.models.momentum_encoder import MomentumEncoder


@keras.saving.register_keras_serializable("supcon_tf")
class SupConModel(ContrastiveTerm, EncoderModel):
    """Encoder and projection head, applied to every view of every image.

    It folds the views into the batch, `[B, V, ...]` -> `[B * V, ...]`, so that
    BatchNormalization sees all of them at once, and unfolds the projections.

    In addition to `loss` it logs `contrastive_loss`, the mean over the images
    without regularisers and sample weights. If the loss is a `SupConLoss`, it
    also logs its `collapsed_loss`, the value that identical projections would
    have for this batch, and `loss_position`, which is 1 at that value and 0 at
    `metrics.loss_floor`. A run whose `contrastive_loss` stays at
    `collapsed_loss` is stuck.

    Args:
      encoder: Keras model or layer, `[B, ...]` -> representations `[B, R]`.
      projection_head: Keras layer, `[B, R]` -> projections `[B, D]`, such as
        `ProjectionHead()`. With None the representations themselves are
        trained.
      normalize_representation: whether the representation is scaled to unit
        length before the head, and then also in `encode` and
        `representation_model`. The official ImageNet recipes do so; those for
        CIFAR and SimCLR do not.
      queue_size: int >= 0. If it is positive, the batch is also contrasted with
        this many projections of earlier batches
        (`labelled_queue.LabelledQueue`). They are positives and negatives, but
        no anchors, and have no gradient.
      queue_label_size: None, where the labels are classes. For a loss of other
        labels, such as `SoftSupConLoss`, it is the int F >= 1 of the columns of
        the labels, which the queue then keeps as they are.
      queue_label_dtype: dtype in which the queue keeps such labels, `"float32"`
        (default) or `"int"`, which is exact for integers beyond 2^24.
      encoder_momentum: None, or a float m in [0, 1), which needs a queue. With
        a momentum, the projections in the queue are those of a copy of encoder
        and head whose weights follow slowly, w' <- m w' + (1 - m) w, so that
        they differ less from step to step (`momentum_encoder.MomentumEncoder`).
        MoCo uses 0.999. With None they are the projections of the step itself.
      num_microbatches: int k >= 1. A training step takes the batch in k pieces,
        one in memory at a time. It has the gradient of the whole batch, at the
        cost of a second forward pass (`gradient_cache.cached_gradients`).
        BatchNormalization sees one piece at a time, and on several replicas, if
        it is synchronised, the pieces of all replicas that run at once. More
        than 1 needs TensorFlow.
      feature_mixing: None, or a Keras layer, `[B, V, D]` -> `[B, V, D]`, such
        as `FeatureTransformation()`. In training it changes the projections on
        their way to the loss. If it has a method `mix_queue`, it also changes
        what the loss sees of the queue. What is put into the queue is unmixed.
        Or `HardNegativeMixing()`, which needs a queue and makes further
        negatives of it. `loss_position` is then not logged.
      learn_temperature: whether the temperature is trained, too. The weight is
        the log of 1 / t, as in CLIP. It starts at the loss's temperature, is
        not decayed, and stays within 0.01 <= t <= 1. Each epoch logs the mean
        over its steps as `temperature`.
      views: None, or `DeviceViews`, an object and not a name, since it knows
        the pipeline, its number of views, size and seed. The model is then
        fitted to images, `views.batches(images, labels, batch_size=...)` or
        `numbered_batches`, and makes their views within the training step.
        `call`, `evaluate` and `predict` take both such batches and views.

    Call arguments:
      images: `[B, V, ...]`, or `[B, ...]`, which is one view. The encoder's
        `input_shape` tells the two apart. An encoder without one (a subclassed
        model) must be given the views axis. Or, for an encoder of images of any
        size, a dict of `views`, such an array `[B, V, ...]`, and `small_views`,
        `[B, W, ...]`, as `view_batches` makes it (multi-crop). V arrays of
        one shape `[B, ...]` in a list or tuple are V views, too. If one image
        has three axes `[H, W, C]` or more, uint8 is divided by 255, and floats
        must lie in [0, 1] if C is 1 or 3. Vectors and images of other
        channels, which may be no pictures, have any values.

    Returns:
      `[B, V, D]` float projections; `[B, V + W, D]` with small views, which
      come last. BatchNormalization sees each size by itself, and a queue takes
      the projections of the full views alone.

    Raises:
      ValueError: if an argument is out of its range; if the input has neither
        the encoder's rank nor one more, or is of images that leave [0, 1]; if
        the model is compiled with a loss
        that is not a `keras.losses.Loss`, or, with a queue, not a
        `ContrastiveLoss` such as `SupConLoss`, or, with `learn_temperature`,
        has no temperature; if `queue_label_size` does not fit loss and labels;
        or if it is compiled with something that several
        replicas cannot do.

    Example:
      >>> model = SupConModel(encoder, ProjectionHead())
      >>> model.compile(optimizer="sgd", loss=SupConLoss())
      >>> history = model.fit(views, labels, epochs=2, verbose=0)
      >>> sorted(history.history)
      ['collapsed_loss', 'contrastive_loss', 'loss', 'loss_position']
      >>> model.encoder.save("encoder.keras")

    Reference:
      Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, Sec. 3.
      A trained temperature: Radford et al., "Learning Transferable Visual
      Models From Natural Language Supervision" (CLIP), ICML 2021, Sec. 2.5.
      Small views: Caron et al., "Unsupervised Learning of Visual Features by
      Contrasting Cluster Assignments" (SwAV), NeurIPS 2020.
    """

    _heads = (("projections", "projection_head"),)
    _usual_loss = "SupConLoss()"

    def __init__(
        self,
        encoder: keras.layers.Layer,
        projection_head: keras.layers.Layer | None = None,
        *,
        normalize_representation: bool = False,
        queue_size: int = 0,
        queue_label_size: int | None = None,
        queue_label_dtype: str = "float32",
        encoder_momentum: float | None = None,
        num_microbatches: int = 1,
        feature_mixing: keras.layers.Layer | None = None,
        learn_temperature: bool = False,
        **kwargs: Any,
    ):
        check_int("queue_size", queue_size, 0)
        for name, value in (
            ("encoder_momentum", encoder_momentum),
            ("queue_label_size", queue_label_size),
        ):
            if value is not None and not queue_size:
                raise ValueError(
                    f"`{name}` must be None without a queue: it tells what "
                    f"goes into it. Received: {name}={value}, queue_size=0"
                )
        if not queue_size and getattr(feature_mixing, "needs_queue", False):
            raise ValueError(
                f"`queue_size` must be > 0 with {type(feature_mixing).__name__}"
                ", which mixes what a queue holds. Received: queue_size=0"
            )
        if queue_label_size is not None and feature_mixing is not None:
            raise ValueError(
                "`feature_mixing` must be None with `queue_label_size`: it "
                "mixes a queue by its classes. Received: "
                f"queue_label_size={queue_label_size} and feature_mixing"
            )
        super().__init__(
            encoder,
            normalize_representation=normalize_representation,
            num_microbatches=num_microbatches,
            **kwargs,
        )
        self._add_projection_head(projection_head, learn_temperature)
        self.queue_size = queue_size
        self.queue_label_size = queue_label_size
        self.queue_label_dtype = queue_label_dtype
        self.encoder_momentum = encoder_momentum
        self.feature_mixing = feature_mixing
        self._makes_negatives = getattr(feature_mixing, "needs_queue", False)
        self._has_floor = not self._makes_negatives
        self.queue = None
        self.momentum_encoder = None
        if encoder_momentum is not None:
            self.momentum_encoder = MomentumEncoder(encoder_momentum)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Contrastive loss plus regularisers; updates the logged values."""
        self._check_loss()
        outputs, more = y_pred, {}
        if training and self.queue is not None:
            if not isinstance(self.loss, ContrastiveLoss):
                raise ValueError(
                    "SupConModel with a queue must be compiled with a loss "
                    "that takes one, such as SupConLoss. "
                    f"Received: loss={self.loss!r}"
                )
            self._check_queue_labels(y)
            labels, *rest = self.queue.items()
            if y is not None and self.queue_label_size is not None:
                labels = ops.cast(labels, ops.convert_to_tensor(y).dtype)
            more = {"queue": (labels, *rest)}
        if training and self._makes_negatives:
            more["extra_similarities"] = self.feature_mixing(
                y_pred, labels=y, **more
            )
        elif training and self.feature_mixing is not None:
            y_pred = self.feature_mixing(y_pred, training=True)
            mix_queue = getattr(self.feature_mixing, "mix_queue", None)
            if more and mix_queue is not None:
                more = {"queue": mix_queue(more["queue"], training=True)}
        loss = self._contrastive_loss(y, y_pred, sample_weight, **more)
        if training and not (is_tensorflow() or self._acts_after_step):
            self._enqueue_outputs(x, y, outputs)
        return self._with_penalty(loss, ops.shape(y_pred)[0])

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "queue_size": self.queue_size,
            "queue_label_size": self.queue_label_size,
            "queue_label_dtype": self.queue_label_dtype,
            "encoder_momentum": self.encoder_momentum,
            "feature_mixing": keras.saving.serialize_keras_object(
                self.feature_mixing
            ),
        }

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        # Files of 0.1.0 have no feature_mixing.
        mixing = config.get("feature_mixing")
        mixing = keras.saving.deserialize_keras_object(mixing)
        return super().from_config({**config, "feature_mixing": mixing})

    def _build_more(self, representation_shape):
        super()._build_more(representation_shape)
        if self.queue_size and self.queue is None:
            dim = representation_shape[-1]
            if self.projection_head is not None:
                head_shape = self.projection_head.compute_output_shape(
                    (None, dim)
                )
                dim = head_shape[-1]
            self.queue = LabelledQueue(
                self.queue_size,
                dim,
                label_size=self.queue_label_size,
                label_dtype=self.queue_label_dtype,
                name="queue",
            )
        momentum_encoder = self.momentum_encoder
        if momentum_encoder is not None and not momentum_encoder.built:
            momentum_encoder.follow(self._forward_layers())

    def _check_queue_labels(self, labels):
        """Refuses labels of a batch that the queue could not hold."""
        name, allowed = type(self.loss).__name__, None
        if self.loss.features_of is not None:
            if labels is None:
                return  # the loss refuses that
            shape = tuple(labels.shape)
            allowed = shape[1] if len(shape) > 1 else 1
            reason = "the number of columns of the labels"
        else:
            reason = f"since the labels of {name} are classes"
        if self.queue_label_size != allowed:
            raise ValueError(
                f"`queue_label_size` must be {allowed}, {reason}. "
                f"Received: queue_label_size={self.queue_label_size}"
            )

    @property
    def _acts_after_step(self):
        return self.momentum_encoder is not None

    def _after_step(self, images, labels, projections):
        """Puts the projections of all replicas into the queue after a step."""
        if self.momentum_encoder is None:
            self._enqueue_outputs(images, labels, projections)
            return
        images, views = self._folded(self._by_size(images)[0])
        self.momentum_encoder.update(self._forward_layers())
        if is_tensorflow():
            projections = outputs_in_pieces(
                lambda images: self.momentum_encoder(images, training=True),
                images,
                state=state_of(self.momentum_encoder.copies),
                num_microbatches=self.num_microbatches,
            )
        else:
            projections = self.momentum_encoder(images, training=True)
        self._enqueue(labels, projections, views)

    def _enqueue_outputs(self, images, labels, projections):
        """Puts the step's own projections `[B, V, D]` into the queue."""
        if self.queue is None:
            return
        shapes = keras.tree.map_structure(lambda x: tuple(x.shape), images)
        shape = self._by_size(shapes)[0]
        views = shape[1] if self._has_views(len(shape)) else 1
        self._enqueue(labels, projections[:, :views], views)

    def _enqueue(self, labels, projections, views):
        """Puts projections `[B, V, D]` or `[B * V, D]` into the queue."""
        projections = ops.reshape(projections, (-1, projections.shape[-1]))
        if self.queue_label_size is None:
            labels = as_ids(labels, ops.shape(projections)[0] // views)
        else:
            labels = ops.reshape(labels, (-1, self.queue_label_size))
        if labels is not None:
            labels = concat_over_replicas(ops.repeat(labels, views, axis=0))
        self.queue.enqueue(
            labels, concat_over_replicas(ops.stop_gradient(projections))
        )
