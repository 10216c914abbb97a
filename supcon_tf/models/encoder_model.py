"""EncoderModel: an encoder on views of images, and how it is trained."""

from typing import Any

import keras
from keras import layers, ops

from supcon_tf.augmentations.on_device.device_views import DeviceViews
from supcon_tf.distribution import keras_steps
from supcon_tf.distribution.collectives import (
    num_replicas,
    part_of_sum,
    sum_over_replicas,
)
from supcon_tf.encoders.encoder_check import (
    check_encoder,
    check_representations,
)
from supcon_tf.errors import check_int
from supcon_tf.frameworks.backends import (
    check_tensorflow,
    is_tensorflow,
    tf,
)
from supcon_tf.frameworks.fused_batch_norm import fuse_batch_norm
from supcon_tf.frameworks.keras_internals import BuiltFromSpecs
from supcon_tf.losses.pairs.projections import unit_length
from supcon_tf.models.checked_inputs import CheckedInputs
from supcon_tf.models.folded_views import FoldedViews
from supcon_tf.models.gradient_cache import cached_gradients
from supcon_tf.models.keras_files import KerasFiles


class EncoderModel(FoldedViews, CheckedInputs, KerasFiles, BuiltFromSpecs):
    """An encoder, and heads on it, applied to every view of every image.

    `SupConModel`, `ClassificationModel` and `JointModel` share this class. It
    folds the views into the batch, `[B, V, ...]` -> `[B * V, ...]`, so that
    BatchNormalization sees all of them at once, and unfolds the outputs. A
    training step is the same on one replica and on many, and takes the batch at
    once or in pieces. Views of two sizes come as a dict of `views` and
    `small_views`. The encoder runs once for each size, and the outputs of the
    full views come first.

    A subclass sets `_heads`, pairs of the name of an output and that of the
    attribute that holds its head, a layer `[B, R]` -> `[B, D]` or None. With
    one head the model returns its output, and with several a dict of them. The
    subclass also implements `compute_loss`.

    Args:
      encoder: Keras model or layer, `[B, ...]` -> representations `[B, R]`.
      normalize_representation: whether the representation is scaled to unit
        length before the head, and then also in `encode` and
        `representation_model`.
      num_microbatches: int k >= 1, the number of pieces of a batch in a
        training step. More than 1 needs TensorFlow.
      views: None, or `DeviceViews`, which make the views of images within the
        step.

    Raises:
      ValueError: if an argument is out of its range, such as an encoder that
        returns maps; if the input has neither the encoder's rank nor one more;
        if images leave their range; or if the model is compiled with
        something that several replicas cannot do.
    """

    _heads = ()
    # Whether `_after_step` has something to do that the loss has not done.
    _acts_after_step = False

    def __init__(
        self,
        encoder: keras.layers.Layer,
        *,
        normalize_representation: bool = False,
        num_microbatches: int = 1,
        views: DeviceViews | None = None,
        **kwargs: Any,
    ):
        check_encoder(encoder)
        check_int("num_microbatches", num_microbatches, 1)
        if num_microbatches > 1:
            check_tensorflow(
                "`num_microbatches` > 1", "leave it at 1", as_backend=True
            )
        if views is not None and not isinstance(views, DeviceViews):
            raise ValueError(
                "`views` must be None or DeviceViews, such as "
                "DeviceViews('simclr', num_views=2, image_size=32, seed=0). "
                f"Received: views={views!r}"
            )
        # The encoder gets the images uncast, in float32, even under a mixed
        # policy. It casts them once it has normalised them.
        super().__init__(autocast=False, **kwargs)
        self.encoder = encoder
        self.normalize_representation = normalize_representation
        self.num_microbatches = num_microbatches
        self.views = views
        self._normalization = None
        if normalize_representation:
            self._normalization = layers.UnitNormalization(
                dtype="float32", name="unit_length"
            )

    def build(self, input_shape):
        """Builds encoder and heads for images of `input_shape`."""
        with keras_steps.scope_of(self):
            shapes = [tuple(shape) for shape in self._by_size(input_shape)]
            has_views = self._has_views(len(shapes[0]))
            sides = [shape[2 if has_views else 1 :] for shape in shapes]
            image_shape = [
                side[0] if len(set(side)) == 1 else None
                for side in zip(*sides, strict=True)
            ]
            representations = self._representations_of(image_shape, shapes)
            check_representations(representations)
            for shape in shapes[1:]:
                self._check_takes(shape)
            for head in self._head_layers():
                if head is not None and not head.built:
                    head.build(representations.shape)
            if self._normalization is not None:
                self._normalization.build(representations.shape)
            self._build_more(representations.shape)
        self.built = True

    def call(self, images, training=None):
        """Applies encoder and heads to views: `[B, V, ...]` -> `[B, V, D]`."""
        if not training:  # a training step must not be slower
            self._check_known_images(images)
        return keras.tree.map_structure(
            lambda *sizes: ops.concatenate(sizes, axis=1),
            *[self._outputs(x, training) for x in self._by_size(images)],
        )

    def encode(self, images: Any, training: bool | None = False) -> Any:
        """Representations of images, without views and without the head.

        Args:
          images: `[B, ...]` as the encoder takes them; images `[B, H, W, C]`
            may be uint8 (0 to 255), too.
          training: whether layers such as BatchNormalization are in their
            training mode.

        Returns:
          `[B, R]` floats, of unit length if `normalize_representation`.
        """
        self._refuse_names(images)
        images = ops.convert_to_tensor(images)
        self._check_single(images.shape)
        self._check_known_images(images)
        return self._represent(self._in_unit_range(images), training)

    def representation_model(self):
        """The encoder to keep, a Keras model that computes what `encode` does.

        It is the encoder itself or, with `normalize_representation`, the
        encoder followed by the normalisation. It shares the weights, and can be
        loaded again without this package.
        """
        if not self.normalize_representation:
            return self.encoder
        if not getattr(self.encoder, "inputs", None):  # subclassed
            return keras.Sequential([self.encoder, self._normalization])
        # This takes the layers of the encoder rather than the encoder as one
        # layer, so that they are found by name.
        representations = self._normalization(self.encoder.outputs[0])
        return keras.Model(
            self.encoder.inputs[0], representations, name=self.encoder.name
        )

    def train_step(self, *args):
        """One step of `fit`, on one replica or, on TensorFlow, on several."""
        if not is_tensorflow():
            return self._keras_train_step(*args)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(*args)
        x = keras.tree.map_structure(ops.convert_to_tensor, x)
        x = self._stacked(self._with_views(x))
        images = self._by_size(x)[0]

        def loss_of(outputs):
            loss = self.compute_loss(x, y, outputs, sample_weight)
            keras_steps.log_loss(self, loss, ops.shape(images)[0])
            return self.optimizer.scale_loss(loss)

        variables = self.trainable_variables
        averages = keras_steps.moving_averages(self, images)
        if self.num_microbatches == 1:
            with tf.GradientTape() as tape:
                outputs = self(x, training=True)
                loss = loss_of(outputs)
            gradients = tape.gradient(loss, variables)
        else:
            _, outputs, gradients = cached_gradients(
                lambda images: self(images, training=True),
                x,
                loss_of,
                trainable=variables,
                state=state_of(self._forward_layers()),
                num_microbatches=self.num_microbatches,
            )
        if averages:
            gradients = keras_steps.without_empty(gradients, images)
        keras_steps.apply_gradients(self.optimizer, gradients, variables)
        self._after_step(x, y, outputs)
        keras_steps.set_back(averages)
        return keras_steps.reducible(
            self, self.compute_metrics(x, y, outputs, sample_weight)
        )

    def _keras_train_step(self, *args):
        """Keras' own step of JAX or PyTorch, and what comes after it."""
        *state, data = args
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        x = self._with_views(x)
        data = keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        done = super().train_step(*state, data)
        if not self._acts_after_step:
            return done
        if state:  # on JAX
            return done[0], self._state_after_step(done[1], x, y)
        self._after_step(x, y, None)
        return done

    def _state_after_step(self, state, images, labels):
        """The state of a step of JAX, after what comes after the step."""
        trained, others, *rest = state
        before = [
            *zip(self.trainable_variables, trained, strict=True),
            *zip(self.non_trainable_variables, others, strict=True),
        ]
        with keras.StatelessScope(state_mapping=before) as scope:
            self._after_step(images, labels, None)
        others = [
            scope.get_current_value(variable)
            for variable in self.non_trainable_variables
        ]
        return (trained, others, *rest)

    def test_step(self, *args):
        """One step of `evaluate`."""
        logs = super().test_step(*args)
        if not is_tensorflow():
            return logs
        return keras_steps.reducible(self, logs)

    def train_on_batch(self, *args, **kwargs):
        """As in Keras, on one replica only."""
        keras_steps.refuse_whole_batches(self, "train_on_batch", "fit")
        return super().train_on_batch(*args, **kwargs)

    def test_on_batch(self, *args, **kwargs):
        """As in Keras, on one replica only."""
        keras_steps.refuse_whole_batches(self, "test_on_batch", "evaluate")
        return super().test_on_batch(*args, **kwargs)

    def predict_on_batch(self, *args, **kwargs):
        """As in Keras, on one replica only."""
        keras_steps.refuse_whole_batches(self, "predict_on_batch", "predict")
        return super().predict_on_batch(*args, **kwargs)

    def make_train_function(self, *args, **kwargs):
        """As in Keras, after a check of what several replicas cannot do."""
        keras_steps.check_compiled(self)
        if is_tensorflow():
            fuse_batch_norm(self)
        return super().make_train_function(*args, **kwargs)

    def make_test_function(self, *args, **kwargs):
        """As in Keras, after a check of what several replicas cannot do."""
        keras_steps.check_compiled(self)
        return super().make_test_function(*args, **kwargs)

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "normalize_representation": self.normalize_representation,
            "num_microbatches": self.num_microbatches,
            "views": keras.saving.serialize_keras_object(self.views),
        }

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        config = dict(config)
        for part in ("encoder", "views", *dict(cls._heads).values()):
            if part in config:
                config[part] = keras.saving.deserialize_keras_object(
                    config[part]
                )
        return cls(**config)

    def _head_layers(self):
        """The heads in the order of `_heads`; some may be None."""
        return [getattr(self, attribute) for _, attribute in self._heads]

    def _representations_of(self, image_shape, shapes):
        """What the encoder makes of images, whose `shapes` are those of views.

        Where its input shape is not known, images without views are taken for
        views of smaller images.
        """
        images = keras.KerasTensor((None, *image_shape))
        if self.input_shape is not None:
            return self.encoder(images)
        try:
            return self.encoder(images)
        except ValueError as error:
            raise ValueError(
                "Images must be views [B, V, ...] for an encoder whose input "
                "shape is not known before it is called; x[:, None] makes one "
                f"view of each image. Received: shape {shapes[0]}"
            ) from error

    def _build_more(self, representation_shape):
        """Builds what else a subclass has, in the scope of the strategy."""

    def _after_step(self, images, labels, outputs):
        """Does what else a subclass does after the update of the weights.

        The outputs are those of the step on TensorFlow, and None elsewhere.
        """

    def _with_penalty(self, loss, images):
        """Adds the regularisers to the loss, as a replica's part of the sum.

        `loss` is a scalar. `images` is the number of images of the replica.
        """
        if self.num_microbatches > 1 or num_replicas() > 1:
            self._refuse_added_losses()
        penalty = sum(self.losses)
        if num_replicas() > 1:
            # The share goes by images: a replica without any has no part.
            share = ops.cast(images, loss.dtype) / ops.cast(
                sum_over_replicas(images), loss.dtype
            )
            penalty = part_of_sum(share * penalty, penalty)
        return loss + ops.cast(penalty, loss.dtype)

    def _outputs(self, images, training):
        """Encoder and heads on views of one size: `[B, V, ...]`."""
        images, views = self._folded(images)
        x = self._represent(images, training)
        outputs = {}
        for name, attribute in self._heads:
            head = getattr(self, attribute)
            y = x if head is None else head(x, training=training)
            outputs[name] = ops.reshape(y, (-1, views, y.shape[-1]))
        return outputs if len(outputs) > 1 else outputs[name]

    def _represent(self, images, training):
        representations = self.encoder(images, training=training)
        if self.normalize_representation:
            # Unlike the layer, this has a finite gradient at 0.
            representations = unit_length(ops.cast(representations, "float32"))
        return representations

    def _forward_layers(self):
        """The layers from images to outputs, in order; some may be None."""
        return [self.encoder, self._normalization, *self._head_layers()]

    def _loss_of(self, output):
        """The compiled loss of the output of a head; None without one."""
        loss = getattr(self, "loss", None)
        if len(self._heads) == 1:
            return loss
        return loss.get(output) if isinstance(loss, dict) else None

    def _check_loss(self):
        """Refuses a loss that is no keras.losses.Loss, or is not reduced."""
        name = type(self).__name__
        losses = [self._loss_of(output) for output, _ in self._heads]
        is_one_each = len(losses) == 1 or (
            isinstance(self.loss, dict) and len(self.loss) == len(losses)
        )
        if not is_one_each or not all(
            isinstance(loss, keras.losses.Loss) for loss in losses
        ):
            each = "" if len(losses) == 1 else " for each output"
            raise ValueError(
                f"{name} must be compiled with a keras.losses.Loss{each}, such "
                f"as loss={self._usual_loss}. Received: loss={self.loss!r}"
            )
        for loss in losses:
            if loss.reduction in (None, "none"):
                raise ValueError(
                    f"{name} must be compiled with a loss that is reduced. "
                    f"Received: reduction={loss.reduction!r}"
                )

    def _refuse_added_losses(self):
        """Refuses added losses, which would be those of a part of the batch.

        On replicas, too, they are wrong: Keras keeps one list for all replicas.
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


def state_of(layers):
    """The variables that a forward pass in training mode may change.

    Args:
      layers: list of layers or None.

    Returns:
      List of variables.
    """
    return [
        variable
        for layer in layers
        if layer is not None
        for variable in layer.non_trainable_variables
    ]
