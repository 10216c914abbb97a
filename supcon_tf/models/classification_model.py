"""ClassificationModel: encoder and classifier, the baselines of the paper."""

from typing import Any

import keras
from keras import ops

from supcon_tf.losses.reduction import reduced
from supcon_tf.models.classifier_term import ClassifierTerm
from supcon_tf.models.encoder_model import EncoderModel


@keras.saving.register_keras_serializable("supcon_tf")
class ClassificationModel(ClassifierTerm, EncoderModel):
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
      **kwargs: `views`, as in `SupConModel`, and what `keras.Model` takes.

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

    _heads = (("scores", "classifier"),)
    _usual_loss = "keras.losses.CategoricalCrossentropy(from_logits=True)"

    def __init__(
        self,
        encoder: keras.layers.Layer,
        num_classes: int,
        *,
        cosine: bool = False,
        normalize_representation: bool = False,
        num_microbatches: int = 1,
        **kwargs: Any,
    ):
        super().__init__(
            encoder,
            normalize_representation=normalize_representation,
            num_microbatches=num_microbatches,
            **kwargs,
        )
        self._add_classifier(num_classes, cosine=cosine)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Mean over the images, plus regularisers; updates the accuracy."""
        del x, training
        self._check_loss()
        losses = self._classification_losses(self.loss, y, y_pred)
        loss = reduced(losses, sample_weight, self.loss.reduction)
        return self._with_penalty(loss, ops.shape(y_pred)[0])

    def get_config(self):
        """Returns every argument of the constructor."""
        return {**super().get_config(), "cosine": self.cosine}
