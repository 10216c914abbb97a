"""Multi-view losses, with one term for each image in place of each anchor."""

from typing import Any, Literal

import keras
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.losses.anchor_loss import AnchorLoss
from supcon_tf.losses.cross_view import refuse_queue
from supcon_tf.losses.pairs.sums import sums_over_pairs
from supcon_tf.losses.pairs.terms import Exps, Kinds
from supcon_tf.losses.pairs.views import similarities_of_views

_KINDS = ("infonce", "dhel")


@keras.saving.register_keras_serializable("supcon_tf")
class MultiViewLoss(AnchorLoss):
    """MV-InfoNCE and MV-DHEL: all views of an image in one term.

    With s_ia,jb the cosine of view a of image i and view b of image j, over t,

        "infonce"  loss_i = -log sum_{a != b} exp(s_ia,ib)
                            + log sum_a sum_{(j, b) != (i, a)} exp(s_ia,jb)
        "dhel"     loss_i = -log sum_{a < b} exp(s_ia,ib)
                            + sum_a log sum_{j != i} exp(s_ia,ja)

    The first has the positives below the fraction bar, too. The second has
    neither them nor negatives of another view number; for two views it is DHEL.
    Neither uses labels.

    Args:
      kind: `"dhel"` (default) or `"infonce"`.
      temperature: float `t` >= 1e-6, or a scalar tensor. The default is 0.2, as
        in the authors' class of MV-DHEL.
      name: name of the loss.
      **options: as for `AnchorLoss`: `implementation`, `reduction` and `dtype`.

    Call arguments:
      y_true: not used.
      y_pred: `[B, V, D]` floats, V >= 2.
      sample_weight: optional `[B]` weights of the images.

    Raises:
      ValueError: if an argument is not one of the above; if there is one view
        only, or a queue, whose projections have no view.

    Example:
      >>> loss = MultiViewLoss("dhel")
      >>> loss(None, keras.random.normal((8, 4, 128))).shape
      TensorShape([])

    References:
      Koromilas et al., "A Principled Framework for Multi-View Contrastive
      Learning", 2025; Koromilas et al., "Bridging Mini-Batch and Asymptotic
      Analysis in Contrastive Learning", ICML 2024,
      https://arxiv.org/abs/2405.18045
    """

    def __init__(
        self,
        kind: Literal["dhel", "infonce"] = "dhel",
        temperature: ArrayLike = 0.2,
        *,
        name: str | None = "multi_view_loss",
        **options: Any,
    ):
        super().__init__(temperature, name=name, **options)
        if kind not in _KINDS:
            raise ValueError(
                f"`kind` must be 'dhel' or 'infonce'. Received: kind={kind!r}"
            )
        if self.anchors != "all":
            raise ValueError(
                "`anchors` must be 'all' for MultiViewLoss. "
                f"Received: anchors={self.anchors!r}"
            )
        self.kind = kind

    def losses_of_images(self, labels, projections, queue=None, **more):
        """The loss of each image, `[B]`."""
        del labels
        refuse_queue(self, queue)
        if projections.shape[1] < 2:
            raise ValueError(
                "MultiViewLoss must be given two or more views of each image. "
                f"Received: {projections.shape[1]}"
            )
        return super().losses_of_images(None, projections, **more)

    def losses_of_anchors(self, contrasts, *, in_tiles):
        """The loss of each image, once for each of its views, `[n]`."""
        views = contrasts.views
        is_infonce = self.kind == "infonce"
        term = Exps(None if is_infonce else "same_view")
        (log_sums,) = sums_over_pairs(
            contrasts, [term], same_views(contrasts), in_tiles=in_tiles
        )
        log_sums = ops.reshape(log_sums, (-1, views))
        has_any = ops.shape(contrasts.vectors)[0] > views
        log_sums = ops.where(has_any, log_sums, ops.zeros_like(log_sums))
        if is_infonce:
            below = ops.logsumexp(log_sums, axis=1)
        else:
            below = ops.sum(log_sums, axis=1)
        similarities, _ = similarities_of_views(contrasts)
        above = ops.reshape(similarities, (-1, views * views))
        is_pair = [
            a != b if is_infonce else a < b
            for a in range(views)
            for b in range(views)
        ]
        pairs = [number for number, counts in enumerate(is_pair) if counts]
        above = ops.logsumexp(ops.take(above, pairs, axis=1), axis=1)
        return ops.repeat(below - above, views)

    def get_config(self):
        """Returns every argument of the constructor."""
        config = {**super().get_config(), "kind": self.kind}
        del config["unlabeled_label"]
        return config


def same_views(contrasts):
    """Returns `Kinds` with `"same_view"`: pairs in the same view number."""

    def weigh(rows, columns):
        return {"same_view": rows["views"] == ops.transpose(columns["views"])}

    return Kinds({"views": contrasts.view_numbers}, weigh)
