"""ClassificationModel: encoder and classifier, the baselines of the paper."""

import keras
import numpy as np
from keras import layers, ops

from supcon_tf.errors import check_int
from supcon_tf.labels import known_values
from supcon_tf.losses.pairs.projections import unit_length
from supcon_tf.losses.reduction import reduced
from supcon_tf.models.encoder_model import EncoderModel
from supcon_tf.models.heads import CosineSimilarities
from supcon_tf.models.linear_classifier import LinearClassifier


@keras.saving.register_keras_serializable("supcon_tf")
class ClassificationModel(EncoderModel):
    """Encoder and classifier, trained together on every view of every image.

    The paper compares with such models: the same encoder, trained with
    cross-entropy or with a margin. Each view has the label of its image, and
    the loss of an image is the mean over its views. In addition to `loss` it
    logs `top_1_accuracy` on the views that it trains on.

    Args:
      encoder: Keras model or layer, `[B, ...]` -> representations `[B, R]`.
      num_classes: int >= 2, C.
      cosine: whether the scores are cosines of the representation with one
        vector for each class, as `AdditiveMarginLoss` needs, or logits.
      normalize_representation: as in `SupConModel`.
      num_microbatches: as in `SupConModel`.

    Call arguments:
      images: `[B, V, ...]`, or `[B, ...]`, which is one view.

    Returns:
      `[B, V, C]` logits or cosines, float32 (float64 if that is floatx).

    Raises:
      ValueError: if an argument is out of its range; if the model is compiled
        with a loss that is not a `keras.losses.Loss`; or if labels are neither
        `[B]` integers in [0, C) nor `[B, C]` floats. Inside a compiled step the
        values of labels are not known. An integer that is no class makes the
        loss NaN there.

    Example:
      >>> model = ClassificationModel(encoder, num_classes=4)
      >>> model.compile(
      ...     optimizer="sgd",
      ...     loss=keras.losses.CategoricalCrossentropy(
      ...         from_logits=True, label_smoothing=0.1
      ...     ),
      ... )
      >>> history = model.fit(views, labels, epochs=2, verbose=0)
      >>> sorted(history.history)
      ['loss', 'top_1_accuracy']
      >>> model.representation_model().save("encoder.keras")

    Reference:
      Khosla et al. 2020, Sec. 4.1 and Table 2.
    """

    _head_name = "classifier"
    _usual_loss = "keras.losses.CategoricalCrossentropy(from_logits=True)"

    def __init__(
        self,
        encoder,
        num_classes,
        *,
        cosine=False,
        normalize_representation=False,
        num_microbatches=1,
        **kwargs,
    ):
        check_int("num_classes", num_classes, 2)
        super().__init__(
            encoder,
            normalize_representation=normalize_representation,
            num_microbatches=num_microbatches,
            **kwargs,
        )
        self.num_classes = num_classes
        self.cosine = cosine
        make = CosineSimilarities if cosine else layers.Dense
        # The classifier computes in at least float32, whatever the policy is.
        is_double = keras.backend.floatx() == "float64"
        self.classifier = make(
            num_classes,
            dtype="float64" if is_double else "float32",
            name="classifier",
        )
        self.accuracy_tracker = keras.metrics.Mean("top_1_accuracy")

    def fit(self, x=None, y=None, *args, **kwargs):
        """As in Keras, but it first checks labels that are given as a whole."""
        if y is not None:
            self._check_classes(y)
        return super().fit(x, y, *args, **kwargs)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Mean over the images, plus regularisers; updates the accuracy."""
        del x, training
        self._check_loss()
        labels = ops.cast(self._one_hot(y), y_pred.dtype)
        labels = ops.broadcast_to(labels[:, None], ops.shape(y_pred))
        losses = ops.mean(self.loss.call(labels, y_pred), axis=1)  # [B]
        is_right = ops.argmax(labels, axis=-1) == ops.argmax(y_pred, axis=-1)
        images = ops.shape(y_pred)[0]
        self.accuracy_tracker.update_state(
            ops.mean(ops.cast(is_right, "float32"), axis=1)
        )
        loss = reduced(losses, sample_weight, self.loss.reduction)
        return self._with_penalty(loss, images)

    def linear_classifier(self, class_names=None):
        """Encoder and classifier as a model of single images, without views.

        Args:
          class_names: as for `LinearClassifier`.

        Returns:
          A `LinearClassifier` with the weights of this model. If this model
          computes cosines, its scores have the same order but another scale.
        """
        encoder = self.representation_model()
        classifier = LinearClassifier(encoder, self.num_classes, class_names)
        kernel, *bias = self.classifier.get_weights()
        if self.cosine:
            kernel = np.array(unit_length(kernel.T)).T
            bias = [np.zeros(self.num_classes, np.float32)]
        classifier.dense.build((None, len(kernel)))
        classifier.dense.set_weights([kernel, *bias])
        return classifier

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "cosine": self.cosine,
        }

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        config = dict(config)
        config["encoder"] = keras.saving.deserialize_keras_object(
            config["encoder"]
        )
        return cls(**config)

    def _one_hot(self, labels):
        labels = ops.convert_to_tensor(labels)
        dtype = keras.backend.standardize_dtype(labels.dtype)
        if len(labels.shape) == 2 and labels.shape[1] == self.num_classes:
            return labels
        if len(labels.shape) == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if len(labels.shape) != 1 or "int" not in dtype:
            raise ValueError(
                f"Labels must be [B] integers or [B, {self.num_classes}] "
                f"floats. Received: {dtype} of shape {tuple(labels.shape)}"
            )
        self._check_classes(labels)
        one_hot = ops.one_hot(labels, self.num_classes)
        # A row of zeros is no class, and would have a loss of 0. XLA cannot
        # raise, so the loss is NaN, like that of TensorFlow's own sparse
        # cross-entropy on a GPU.
        is_class = ops.any(one_hot > 0, axis=1, keepdims=True)
        return ops.where(is_class, one_hot, np.nan)

    def _check_classes(self, labels):
        """Refuses integers that are no class, outside of a compiled step."""
        values = known_values(labels)
        if values is None or values.dtype.kind not in "iu":
            return
        if values.shape[1:] not in ((), (1,)):
            return
        wrong = values[(values < 0) | (values >= self.num_classes)]
        if wrong.size:
            raise ValueError(
                "Labels must be in [0, num_classes). "
                f"Received: label={wrong[0]}, num_classes={self.num_classes}"
            )
