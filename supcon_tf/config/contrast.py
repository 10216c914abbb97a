"""The settings of the contrastive loss: which one, and what it has.

A setting `loss_NAME` is the argument NAME of the loss. Where it is None, the
loss has its own default, which `supcon-pretrain --list_losses` prints.
"""

import dataclasses
import functools

from supcon_tf.config.settings import Checked, setting
from supcon_tf.config.training import (
    AT_LEAST_0_OR_NONE,
    AT_LEAST_1_OR_NONE,
    FRACTION_OR_NONE,
    POSITIVE,
    POSITIVE_OR_NONE,
)

_loss = functools.partial(setting, heading="The loss")
_KINDS = (
    lambda value: value in (None, "dhel", "infonce"),
    "dhel or infonce",
)
_PAIR = (
    lambda value: value is None or (len(value) == 2 and min(value) >= 0),
    "two floats >= 0",
)
_MEANS = ("weights", "count", "contrasts", "one")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContrastConfig(Checked):
    """The settings of a contrastive loss."""

    loss: str = _loss(
        "supcon",
        "With a contrastive objective: the loss, by its name in LOSSES "
        "(--list_losses tells of each): {choices}.",
    )
    temperature: float = _loss(
        0.1, "Temperature of the loss.", POSITIVE, matters=True
    )
    summation: str = _loss(
        "outside",
        "Sum over positives outside (L_out) or inside (L_in) the log.",
    )
    denominator: str = _loss(
        "all",
        "Contrasts in the loss's denominator: all, one_positive or "
        "only_negatives.",
    )
    anchors: str = _loss(
        "all", "Which views of an image are anchors: all or first."
    )
    scale_by_temperature: bool = _loss(
        False,
        "Multiply the loss by the temperature, as the official code does: its "
        "learning rates assume it.",
    )
    positives_cap: int | None = _loss(
        None,
        "Projections of other images that an image keeps as positives, at "
        "most; a multiple of num_views.",
    )
    loss_margin: float | None = _loss(
        None,
        "sincere: by how much a positive must win, in units of the cosine over "
        "the temperature, such as 0.25.",
        AT_LEAST_0_OR_NONE,
    )
    loss_sigma: float | None = _loss(
        None,
        "decoupled, without labels: sigma of the weights of DCLW, such as 0.5.",
        POSITIVE_OR_NONE,
    )
    loss_hardness: float | None = _loss(
        None,
        "hard_negatives: how much near negatives count more.",
        AT_LEAST_0_OR_NONE,
    )
    loss_class_prior: float | None = _loss(
        None,
        "hard_negatives, without labels: share of the negatives that are of "
        "the anchor's class.",
        FRACTION_OR_NONE,
    )
    loss_focus: float | None = _loss(
        None,
        "focal: exponent of the focal factor, >= 1.",
        (lambda value: value is None or value >= 1, ">= 1"),
    )
    loss_power: float | None = _loss(
        None,
        "balanced: exponent of the size of a class; 0 is supcon.",
        AT_LEAST_0_OR_NONE,
    )
    loss_alpha: float | None = _loss(
        None,
        "spread: weight of the attraction, in [0, 1]; cacr: the same, of any "
        "size; alignment_uniformity: exponent of the distance of two views.",
        AT_LEAST_0_OR_NONE,
    )
    loss_beta: float | None = _loss(
        None, "cacr: weight of the repulsion.", AT_LEAST_0_OR_NONE
    )
    loss_t: float | None = _loss(
        None,
        "alignment_uniformity: factor of the squared distances.",
        POSITIVE_OR_NONE,
    )
    loss_t_positive: float | None = _loss(
        None,
        "cacr: factor of the distances of positives in their softmax.",
        POSITIVE_OR_NONE,
    )
    loss_t_negative: float | None = _loss(
        None,
        "cacr: factor of the distances of negatives in their softmax.",
        POSITIVE_OR_NONE,
    )
    loss_weights: tuple[float, ...] | None = _loss(
        None, "alignment_uniformity: weights of the two parts.", _PAIR
    )
    loss_weights_have_gradient: bool = _loss(
        True, "cacr, decoupled: whether the softmax weights have a gradient."
    )
    loss_kind: str | None = _loss(None, "multi_view: dhel or infonce.", _KINDS)
    loss_num_negatives: int | None = _loss(
        None,
        "groco: how many of the hardest negatives are sorted.",
        AT_LEAST_1_OR_NONE,
    )
    loss_steepness: float | None = _loss(
        None, "groco: how hard the network sorts.", POSITIVE_OR_NONE
    )
    loss_detach_contrasts: bool = _loss(
        False, "groco: let the gradient reach the anchors alone."
    )
    loss_positives_mean: str | None = _loss(
        None,
        "soft_supcon: what the sum over the positives is divided by: "
        f"{', '.join(_MEANS[:-1])} or {_MEANS[-1]}.",
        (
            lambda value: value is None or value in _MEANS,
            f"one of {list(_MEANS)}",
        ),
    )
