"""Losses between views: an anchor is compared with the other views alone."""

from typing import Any, Literal

import keras
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.losses.anchor_loss import AnchorLoss
from supcon_tf.losses.arguments import check_choices
from supcon_tf.losses.equation import losses_of_anchors
from supcon_tf.losses.pairs.terms import Kinds
from supcon_tf.losses.similarities import check_similarity, label_features


@keras.saving.register_keras_serializable("supcon_tf")
class CrossViewLoss(AnchorLoss):
    """CLIP's loss, and its relatives with weights of pairs.

    The contrasts of an anchor are the other views of all images, its own image
    included. The two views may come from two towers, such as one of images and
    one of texts:

        loss_i = 1/n_i sum_j w_ij (log sum_a exp(s_ia) - s_ij)

    with s_ij = z_i.z_j / t and sums over all j and a of another view than i's.
    Without a similarity w is 1 for the anchor's own image and 0 for others.

    Args:
      similarity: None, which is CLIP; `similarities.AffineCosine()`, which is
        CWCL; `similarities.Mixed()` with `positives_mean="one"`, which is
        MixCo; or another one of labels.
      temperature: float `t` >= 1e-6, or a scalar tensor. The default is 0.07,
        at which CLIP starts to train its temperature.
      positives_mean: what n_i is. `"weights"` (default) is the sum of the
        weights, `"count"` the number of those > 0, `"contrasts"` the number of
        all contrasts, and `"one"` is 1.
      anchors: `"all"` (default) is the mean of both directions, `"first"` has
        the first view of each image as anchors.
      name: name of the loss.
      **options: as for `AnchorLoss`: `implementation`, `reduction` and `dtype`.

    Call arguments:
      y_true: labels as the similarity describes; without a similarity they
        are not used.
      y_pred: `[B, V, D]` floats, V >= 2.
      sample_weight: optional `[B]` weights of the images.

    Raises:
      ValueError: if an argument is not one of the above; if there is one view
        only, or a queue, whose projections have no view.

    Example:
      >>> loss = CrossViewLoss(temperature=0.07)
      >>> loss(None, keras.random.normal((8, 2, 128))).shape
      TensorShape([])

    References:
      Radford et al., "Learning Transferable Visual Models From Natural Language
      Supervision", ICML 2021, https://arxiv.org/abs/2103.00020; Srinivasa et
      al., "CWCL", NeurIPS 2023, https://arxiv.org/abs/2309.14580; Kim et al.,
      "MixCo", 2020, https://arxiv.org/abs/2010.06300
    """

    def __init__(
        self,
        similarity: Any = None,
        temperature: ArrayLike = 0.07,
        *,
        positives_mean: Literal[
            "weights", "count", "contrasts", "one"
        ] = "weights",
        name: str | None = "cross_view_loss",
        **options: Any,
    ):
        super().__init__(temperature, name=name, **options)
        if similarity is not None:
            check_similarity("similarity", similarity)
        check_choices(positives_mean=positives_mean)
        self.similarity = similarity
        self.positives_mean = positives_mean

    def features_of(self, labels, batch):
        """The labels `[B, F]` as the similarity compares them."""
        if self.similarity is None:
            return ops.zeros((batch, 1))
        return label_features(self.similarity, labels, batch)

    def losses_of_images(self, labels, projections, queue=None, **more):
        """The loss of each image, `[B]`."""
        refuse_queue(self, queue)
        if projections.shape[1] < 2:
            raise ValueError(
                f"{type(self).__name__} must be given two or more views of "
                f"each image. Received: {projections.shape[1]}"
            )
        return super().losses_of_images(labels, projections, **more)

    def losses_of_anchors(self, contrasts, *, in_tiles):
        """The loss of each anchor, `[M]`."""
        return losses_of_anchors(
            contrasts,
            _across_views(contrasts, self.similarity),
            positives_mean=self.positives_mean,
            in_tiles=in_tiles,
        )

    def get_config(self):
        """Returns every argument of the constructor."""
        config = {
            **super().get_config(),
            "similarity": keras.saving.serialize_keras_object(self.similarity),
            "positives_mean": self.positives_mean,
        }
        del config["unlabeled_label"]
        return config

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        similarity = keras.saving.deserialize_keras_object(config["similarity"])
        return cls(**{**config, "similarity": similarity})


def refuse_queue(loss, queue):
    """Refuses a queue, for a loss that cannot use one."""
    if queue is not None:
        raise ValueError(
            f"{type(loss).__name__} must be used without a queue, whose "
            "projections belong to no view of an image. Received: a queue"
        )


def _across_views(contrasts, similarity):
    """The `Kinds` of pairs of different views."""
    dtype = contrasts.vectors.dtype

    def weigh(rows, columns):
        is_other = rows["views"] != ops.transpose(columns["views"])
        is_own = rows["images"] == ops.transpose(columns["images"])
        if similarity is None:
            positive = ops.logical_and(is_own, is_other)
            return {
                "positive": positive,
                "is_positive": positive,
                "contrast": is_other,
            }
        labels, others = rows["labels"], columns["labels"]
        weights = ops.cast(similarity.tile(labels, others), dtype)
        if not getattr(similarity, "is_symmetric", True):
            # The labels describe the first view, in which they are mixed.
            of_columns = ops.transpose(similarity.tile(others, labels))
            is_first = rows["views"] == 0
            weights = ops.where(is_first, weights, ops.cast(of_columns, dtype))
        if getattr(similarity, "own_views_are_alike", True):
            weights = ops.where(is_own, 1.0, weights)
        weights = ops.where(is_other, weights, 0.0)
        return {
            "positive": weights,
            "is_positive": weights > 0,
            "contrast": is_other,
        }

    return Kinds(
        {
            "images": contrasts.images,
            "views": contrasts.view_numbers,
            "labels": contrasts.features,
        },
        weigh,
        is_symmetric=getattr(similarity, "is_symmetric", True),
        contrasts="contrast",
    )
