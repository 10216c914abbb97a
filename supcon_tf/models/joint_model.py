"""JointModel: encoder, projection head and classifier, trained together."""

import math
import numbers
from typing import Any

import keras
from keras import ops

from supcon_tf.frameworks.keras_internals import loss_weights_of
from supcon_tf.losses.reduction import reduced
from supcon_tf.models.classifier_term import ClassifierTerm
from supcon_tf.models.contrastive_term import ContrastiveTerm
from supcon_tf.models.encoder_model import EncoderModel


@keras.saving.register_keras_serializable("supcon_tf")
class JointModel(ContrastiveTerm, ClassifierTerm, EncoderModel):
    """Encoder, projection head and linear classifier, trained in one stage.

    The encoder learns by contrast and from the classifier at once:

        loss = cross-entropy + contrast_weight * contrastive loss.

    Each view has the label of its image. The classifier is on the
    representation, as in `ClassificationModel`, and the projection head beside
    it, as in `SupConModel`. The contrasts are those of the global batch. Both
    losses have the same labels and sample weights.

    It logs `loss`; `contrastive_loss`, `collapsed_loss` and `loss_position`, as
    `SupConModel` does; `cross_entropy`, the mean over the images without
    regularisers and sample weights; and `top_1_accuracy` on the views that it
    trains on.

    Args:
      encoder: Keras model or layer, `[B, ...]` -> representations `[B, R]`.
      projection_head: Keras layer, `[B, R]` -> projections `[B, D]`, such as
        `ProjectionHead()`. With None the representations themselves are
        contrasted.
      num_classes: int >= 2, C.
      contrast_weight: float > 0, the weight of the contrastive loss. The
        default is 0.3, the best of 0.1 to 3 on held-out images of CIFAR-10,
        between which little changed (docs/pages/benchmarks.md).
      normalize_representation: as in `SupConModel`.
      num_microbatches: as in `SupConModel`.
      learn_temperature: as in `SupConModel`.
      **kwargs: `views`, as in `SupConModel`, and what `keras.Model` takes.

    Call arguments:
      images: `[B, V, ...]`, `[B, ...]`, which is one view, or a dict with small
        views, as in `SupConModel`.

    Returns:
      A dict of `projections`, `[B, V, D]` floats, and `logits`, `[B, V, C]`,
      float32 (float64 if that is floatx). With small views V counts them too.

    Raises:
      ValueError: if an argument is out of its range; if the model is compiled
        with anything but a dict of a `keras.losses.Loss` for `projections` and
        one for `logits`, or with `loss_weights`; or if labels are neither `[B]`
        integers in [0, C) nor `[B, C]` one-hot floats, as in
        `ClassificationModel`.

    Example:
      >>> model = JointModel(encoder, ProjectionHead(), 4, contrast_weight=0.5)
      >>> model.compile(
      ...     optimizer="sgd",
      ...     loss={
      ...         "projections": SupConLoss(),
      ...         "logits": keras.losses.CategoricalCrossentropy(
      ...             from_logits=True
      ...         ),
      ...     },
      ... )
      >>> history = model.fit(views, labels, epochs=2, verbose=0)
      >>> sorted(history.history)[2:5]
      ['cross_entropy', 'loss', 'loss_position']
      >>> classifier = model.linear_classifier(("a", "b", "c", "d"))
      >>> classifier(images).shape
      TensorShape([8, 4])

    Reference:
      Khosla et al. 2020, Eq. 2 and Sec. 4.1. A sum of this kind, in fine-tuning
      and with mixed images: Zhang et al., "Unleashing the Power of Contrastive
      Self-Supervised Visual Models via Contrast-Regularized Fine-Tuning",
      NeurIPS 2021, https://arxiv.org/abs/2102.06605
    """

    _heads = (("projections", "projection_head"), ("logits", "classifier"))
    _usual_loss = (
        '{"projections": SupConLoss(), "logits": '
        "keras.losses.CategoricalCrossentropy(from_logits=True)}"
    )

    def __init__(
        self,
        encoder: keras.layers.Layer,
        projection_head: keras.layers.Layer | None,
        num_classes: int,
        *,
        contrast_weight: float = 0.3,
        normalize_representation: bool = False,
        num_microbatches: int = 1,
        learn_temperature: bool = False,
        **kwargs: Any,
    ):
        if (
            not isinstance(contrast_weight, numbers.Real)
            or isinstance(contrast_weight, bool)
            or not 0 < contrast_weight < math.inf
        ):
            raise ValueError(
                "`contrast_weight` must be a finite number > 0. "
                f"Received: contrast_weight={contrast_weight!r}"
            )
        super().__init__(
            encoder,
            normalize_representation=normalize_representation,
            num_microbatches=num_microbatches,
            **kwargs,
        )
        self._add_projection_head(projection_head, learn_temperature)
        self._add_classifier(num_classes)
        self.contrast_weight = contrast_weight
        self.cross_entropy_tracker = keras.metrics.Mean("cross_entropy")

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Both losses plus regularisers; updates the logged values."""
        del x, training
        self._check_loss()
        weights = loss_weights_of(self)
        if weights is not None:
            raise ValueError(
                "`loss_weights` must be None: JointModel(contrast_weight=...) "
                f"weighs the losses. Received: loss_weights={weights!r}"
            )
        compiled = self._loss_of("logits")
        losses = self._classification_losses(compiled, y, y_pred["logits"])
        self.cross_entropy_tracker.update_state(losses)
        loss = reduced(losses, sample_weight, compiled.reduction)
        contrastive_loss = self._contrastive_loss(
            y, y_pred["projections"], sample_weight
        )
        loss += self.contrast_weight * ops.cast(contrastive_loss, loss.dtype)
        return self._with_penalty(loss, ops.shape(losses)[0])

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """As in Keras; the metrics of both outputs get the labels."""
        labels = {output: y for output in y_pred}
        return super().compute_metrics(x, labels, y_pred, sample_weight)

    def get_config(self):
        """Returns every argument of the constructor."""
        return {**super().get_config(), "contrast_weight": self.contrast_weight}
