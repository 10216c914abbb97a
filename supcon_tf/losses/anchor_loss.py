"""AnchorLoss, the base class of losses that are means over anchors."""

from typing import Any, Literal

from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.losses.arguments import (
    check_choices,
    check_temperature,
    check_unlabeled_label,
    plain_number,
)
from supcon_tf.losses.contrastive import ContrastiveLoss
from supcon_tf.losses.pairs.contrasts import contrasts_of
from supcon_tf.losses.pairs.sums import are_tiles_better


class AnchorLoss(ContrastiveLoss):
    """A loss of unit vectors that is, for each image, a mean over its anchors.

    A subclass implements `losses_of_anchors`. Its labels are classes, as those
    of `supcon_loss`, unless it also implements `features_of`. If it counts the
    `extra` negatives of `Contrasts`, as `equation.losses_of_anchors` does, it
    names `"extra_similarities"` in `also_takes`.

    Args:
      temperature: float `t` >= 1e-6, or a scalar tensor or variable, or a
        tensor `[B]`.
      anchors: `"all"` makes every view an anchor, `"first"` only the first view
        of each image.
      unlabeled_label: None, or the label of the images whose class is not
        known; their positives are their own other views.
      implementation: `"dense"`, `"tiled"` or `"auto"`, as for `supcon_loss`.
      name: name of the loss.
      reduction: as for any Keras loss, applied to the losses of the images.
      dtype: as for `ContrastiveLoss`.

    Raises:
      ValueError: if an argument is not one of the above.
    """

    has_value_at_collapse = True
    also_takes = ("temperature",)

    def __init__(
        self,
        temperature: ArrayLike,
        *,
        anchors: Literal["all", "first"] = "all",
        unlabeled_label: int | None = None,
        implementation: Literal["auto", "dense", "tiled"] = "auto",
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        check_temperature(temperature)
        check_choices(anchors=anchors, implementation=implementation)
        check_unlabeled_label(unlabeled_label)
        self.temperature = temperature
        self.anchors = anchors
        self.unlabeled_label = unlabeled_label
        self.implementation = implementation

    def losses_of_anchors(self, contrasts: Any, *, in_tiles: bool) -> Any:
        """The loss of each anchor.

        Args:
          contrasts: `Contrasts`.
          in_tiles: whether the similarities are computed in tiles.

        Returns:
          `[M]` floats.
        """
        raise NotImplementedError

    def losses_of_images(
        self,
        labels,
        projections,
        queue=None,
        temperature=None,
        extra_similarities=None,
    ):
        """The mean of the losses of each image's anchors, `[B]`."""
        if temperature is None:
            temperature = self.temperature
        contrasts = contrasts_of(
            labels,
            projections,
            temperature=temperature,
            anchors=self.anchors,
            unlabeled_label=self.unlabeled_label,
            queue=queue,
            features_of=self.features_of,
            extra_similarities=extra_similarities,
        )
        in_tiles = self.implementation == "tiled" or (
            self.implementation == "auto" and are_tiles_better(contrasts)
        )
        losses = self.losses_of_anchors(contrasts, in_tiles=in_tiles)
        batch = ops.shape(projections)[0]
        return ops.mean(ops.reshape(losses, (batch, -1)), axis=1)

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "temperature": plain_number(self.temperature),
            "anchors": self.anchors,
            "unlabeled_label": self.unlabeled_label,
            "implementation": self.implementation,
        }
