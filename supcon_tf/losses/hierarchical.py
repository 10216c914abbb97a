"""Hierarchical SupCon: one SupCon for each level of the labels."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.errors import check_number
from supcon_tf.losses.anchor_loss import AnchorLoss
from supcon_tf.losses.pairs.positives import (
    group_by_class,
    of_groups,
    weighted_similarities,
)
from supcon_tf.losses.pairs.sums import sums_over_pairs
from supcon_tf.losses.pairs.terms import Exps
from supcon_tf.losses.similarities import SharedLevels, label_features


@keras.saving.register_keras_serializable("supcon_tf")
class HierarchicalSupConLoss(AnchorLoss):
    """The weighted sum of SupCon at each level of a hierarchy (HMC).

        loss_i = sum_l weight_l * mean_{p in P_l(i)} -log(exp(s_ip)
                                            / sum_{a != i} exp(s_ia))

    with s_ij = z_i.z_j / t, and the positives P_l(i) that have the class of
    the anchor at level l. All levels share the denominator, so that they take
    the time of one. `SoftSupConLoss(SharedLevels())` takes one mean over all
    positives, weighted by the levels that they share.

    Args:
      level_weights: None, which is 1 / L for each of L levels, or a list of L
        numbers >= 0. The authors sum 2^(1/l), l = 1 for the finest level, and
        divide by the number of levels.
      temperature: float `t` >= 1e-6, or a scalar tensor. The default is 0.07,
        as in the paper's code.
      name: name of the loss.
      **options: as for `AnchorLoss`: `anchors`, `implementation`, `reduction`
        and `dtype`.

    Call arguments:
      y_true: `[B, L]` integers, one class at each level.
      y_pred: `[B, V, D]` or `[B, D]` floats.
      sample_weight: optional `[B]` weights of the images.
      queue: as for `supcon_loss`, with labels like those of the batch.

    Raises:
      ValueError: if an argument is not one of the above.

    Example:
      >>> loss = HierarchicalSupConLoss()
      >>> z = keras.random.normal((3, 2, 128))
      >>> loss([[0, 5], [0, 6], [1, 7]], z).shape
      TensorShape([])

    Reference:
      Zhang et al., "Use All The Labels: A Hierarchical Multi-Label Contrastive
      Learning Framework", CVPR 2022, https://arxiv.org/abs/2204.13207
    """

    def __init__(
        self,
        level_weights: Sequence[float] | None = None,
        temperature: ArrayLike = 0.07,
        *,
        name: str | None = "hierarchical_supcon_loss",
        **options: Any,
    ):
        super().__init__(temperature, name=name, **options)
        for weight in level_weights or ():
            check_number("level_weights", weight, at_least=0)
        self.level_weights = level_weights and list(level_weights)

    def features_of(self, labels, batch):
        """The labels `[B, L]` as integers."""
        return label_features(SharedLevels(self.level_weights), labels, batch)

    def losses_of_anchors(self, contrasts, *, in_tiles):
        """The loss of each anchor, `[M]`."""
        (log_sums,) = sums_over_pairs(contrasts, [Exps()], in_tiles=in_tiles)
        size = ops.shape(contrasts.own)[0]
        number = ops.shape(contrasts.vectors)[0]
        levels = contrasts.features.shape[1]
        weights = self.level_weights or [1 / levels] * levels
        total = ops.zeros_like(log_sums)
        for level, weight in enumerate(weights):
            groups = group_by_class(contrasts.features[:, level], number)

            def gathered(values, groups=groups):
                return of_groups(values, groups, number)[:size]

            counts = gathered(contrasts.counted)[:: contrasts.stride] - 1
            means = weighted_similarities(
                contrasts, gathered, 1.0
            ) / ops.maximum(counts, 1.0)
            losses = ops.where(counts > 0, log_sums - means, 0.0)
            total += weight * losses
        return total

    def get_config(self):
        """Returns every argument of the constructor."""
        config = {**super().get_config(), "level_weights": self.level_weights}
        del config["unlabeled_label"]
        return config
