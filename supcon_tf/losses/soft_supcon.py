"""SupCon for labels that are more than a class."""

from typing import Any, Literal

import keras
from numpy.typing import ArrayLike

from supcon_tf.losses.anchor_loss import AnchorLoss
from supcon_tf.losses.arguments import check_choices
from supcon_tf.losses.equation import losses_of_anchors
from supcon_tf.losses.pairs.kinds import by_similarity
from supcon_tf.losses.similarities import check_similarity, label_features


@keras.saving.register_keras_serializable("supcon_tf")
class SoftSupConLoss(AnchorLoss):
    """Supervised contrastive loss with weights of pairs in place of classes.

    A similarity tells how much two images are positives of each other, from
    labels such as several classes, shares of classes, or the target of a
    regression:

        loss_i = 1/n_i sum_j w_ij (log sum_{a != i} v_ia exp(s_ia) - s_ij)

    with s_ij = z_i.z_j / t, and n_i = sum_j w_ij. The views of an image have
    the weight 1 with each other, except with `similarities.Dot`. An image whose
    labels are all 0 has no other positives. With one-hot labels it is SupCon.

    Args:
      similarity: one of `losses.similarities`, or an object of your own with
        the methods `features` and `tile`.
      temperature: float `t` >= 1e-6, or a scalar tensor. The default is 0.1.
      positives_mean: what n_i is. `"weights"` (default) is the sum of the
        weights, `"count"` the number of those > 0, `"contrasts"` the number of
        all contrasts, and `"one"` is 1.
      denominator: which contrasts the denominator sums, as for `supcon_loss`. A
        contrast counts as a negative by 1 - w_ij.
      contrast_weights: None, which is 1, or an object like a similarity, whose
        weights are v, such as `similarities.Distance()`.
      name: name of the loss.
      **options: as for `AnchorLoss`: `anchors`, `implementation`, `reduction`
        and `dtype`.

    Call arguments:
      y_true: labels as the similarity describes, one row for each image.
      y_pred: `[B, V, D]` or `[B, D]` floats.
      sample_weight: optional `[B]` weights of the images.
      queue: as for `supcon_loss`, with labels like those of the batch.

    Raises:
      ValueError: if an argument is not one of the above, or if the labels do
        not fit the similarity.

    Example:
      >>> loss = SoftSupConLoss(similarities.Jaccard(threshold=0.3))
      >>> z = keras.random.normal((3, 2, 128))
      >>> loss([[1, 1, 0], [0, 1, 1], [1, 0, 0]], z).shape
      TensorShape([])

    References:
      MultiSupCon, `Jaccard(0.3)` and `"count"`: Zaigrajew & Zieba, "Contrastive
      Learning for Multi-Label Classification", 2022. GenSCL, `Cosine()`: Kim et
      al. 2022, https://arxiv.org/abs/2206.00384. Kernels of targets: Dufumier
      et al. 2021, https://arxiv.org/abs/2106.08808.
    """

    also_takes = ("temperature", "extra_similarities")

    def __init__(
        self,
        similarity: Any,
        temperature: ArrayLike = 0.1,
        *,
        positives_mean: Literal[
            "weights", "count", "contrasts", "one"
        ] = "weights",
        denominator: Literal["all", "one_positive", "only_negatives"] = "all",
        contrast_weights: Any = None,
        name: str | None = "soft_supcon_loss",
        **options: Any,
    ):
        super().__init__(temperature, name=name, **options)
        check_similarity("similarity", similarity)
        if contrast_weights is not None:
            check_similarity("contrast_weights", contrast_weights)
        check_choices(positives_mean=positives_mean, denominator=denominator)
        self.similarity = similarity
        self.positives_mean = positives_mean
        self.denominator = denominator
        self.contrast_weights = contrast_weights

    def features_of(self, labels, batch):
        """The labels `[B, F]` as the similarity compares them."""
        return label_features(self.similarity, labels, batch)

    def losses_of_anchors(self, contrasts, *, in_tiles):
        """The loss of each anchor, `[M]`."""
        return losses_of_anchors(
            contrasts,
            by_similarity(contrasts, self.similarity, self.contrast_weights),
            denominator=self.denominator,
            positives_mean=self.positives_mean,
            in_tiles=in_tiles,
        )

    def get_config(self):
        """Returns every argument of the constructor."""
        config = {
            **super().get_config(),
            "similarity": keras.saving.serialize_keras_object(self.similarity),
            "positives_mean": self.positives_mean,
            "denominator": self.denominator,
            "contrast_weights": keras.saving.serialize_keras_object(
                self.contrast_weights
            ),
        }
        del config["unlabeled_label"]
        return config

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        config = dict(config)
        for name in ("similarity", "contrast_weights"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
