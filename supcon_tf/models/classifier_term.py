"""ClassifierTerm: a classifier, the losses of its scores, their accuracy."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from supcon_tf.errors import check_int
from supcon_tf.frameworks import keras_internals
from supcon_tf.frameworks.backends import is_spec
from supcon_tf.labels import known_values, refuse_names
from supcon_tf.losses.pairs.projections import unit_length
from supcon_tf.models.heads import CosineSimilarities
from supcon_tf.models.linear_classifier import LinearClassifier


class ClassifierTerm:
    """Adds the classifier of an `EncoderModel`, and its loss.

    `ClassificationModel` and `JointModel` share this class. They call
    `_add_classifier` when they are made.
    """

    def _add_classifier(self, num_classes, *, cosine=False):
        """Adds the classifier and the logged value."""
        check_int("num_classes", num_classes, 2)
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

    def linear_classifier(
        self, class_names: Sequence[str] | None = None
    ) -> LinearClassifier:
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
            kernel = ops.convert_to_numpy(unit_length(kernel.T)).T
            bias = [np.zeros(self.num_classes, np.float32)]
        classifier.dense.build((None, len(kernel)))
        classifier.dense.set_weights([kernel, *bias])
        return classifier

    def get_config(self):
        """Returns every argument of the constructor."""
        return {**super().get_config(), "num_classes": self.num_classes}

    def make_train_function(self, *args, **kwargs):
        """As in Keras, unless a metric could not take scores of views."""
        self._refuse_accuracy_of_views()
        return super().make_train_function(*args, **kwargs)

    def make_test_function(self, *args, **kwargs):
        """As in Keras, unless a metric could not take scores of views."""
        self._refuse_accuracy_of_views()
        return super().make_test_function(*args, **kwargs)

    def _refuse_accuracy_of_views(self):
        """Refuses Keras' accuracies, which know of no views `[B, V, C]`."""
        for name, metrics in keras_internals.metrics_of(self).items():
            if isinstance(metrics, dict):
                metrics = metrics.get(self._heads[-1][0])
            for metric in keras.tree.flatten(metrics):
                text = (
                    metric if isinstance(metric, str) else type(metric).__name__
                )
                if "accuracy" in text.lower() or text == "acc":
                    raise ValueError(
                        f"`{name}` must be of scores [B, V, C] of views, and "
                        f"{type(self).__name__} logs top_1_accuracy of them. "
                        f"Received: {name}={text!r}"
                    )

    def _check_loss(self):
        """Refuses a loss of ids, or of probabilities, of which there are none.

        The labels become rows of targets, and the scores are logits or cosines.
        A loss of probabilities would clip those to [0, 1] without a word.
        """
        super()._check_loss()
        output = self._heads[-1][0]
        loss = self._loss_of(output)
        config = loss.get_config()
        if type(loss).__name__.startswith("Sparse") or (
            config.get("from_logits") is False
        ):
            raise ValueError(
                f"The loss of the {output} of {type(self).__name__} must take "
                "rows of targets and logits, such as keras.losses."
                "CategoricalCrossentropy(from_logits=True). Received: "
                f"{type(loss).__name__} with from_logits="
                f"{config.get('from_logits')}"
            )

    def _classification_losses(self, loss, labels, scores):
        """The loss of each image, `[B]`; updates the accuracy."""
        labels = ops.cast(self._one_hot(labels), scores.dtype)
        labels = ops.broadcast_to(labels[:, None], ops.shape(scores))
        is_right = ops.argmax(labels, axis=-1) == ops.argmax(scores, axis=-1)
        self.accuracy_tracker.update_state(
            ops.mean(ops.cast(is_right, "float32"), axis=1)
        )
        return ops.mean(loss.call(labels, scores), axis=1)

    def _one_hot(self, labels):
        if labels is None:
            raise ValueError(
                f"{type(self).__name__} must be given the labels of the "
                "images, as in fit(x, y). Received: no labels"
            )
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

    def _check_labels(self, labels):
        """As in `CheckedInputs`; rows of targets must be finite."""
        super()._check_labels(labels)
        if labels is None:
            return
        refuse_names(labels)
        if is_spec(labels):
            return
        self._check_classes(labels)
        values = known_values(labels)
        is_float = values is not None and values.dtype.kind == "f"
        if is_float and not np.isfinite(values).all():
            raise ValueError(
                "Labels must be finite. Received: "
                f"{values[~np.isfinite(values)][0]}"
            )

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
