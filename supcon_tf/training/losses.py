"""LOSSES has a row for each contrastive loss to train an encoder with.

To add one, write its row and a setting `loss_NAME` in config/contrast.py for
each of its options. The class is looked up when it is called, so that a command
can list the losses without TensorFlow.
"""

import dataclasses
import types
from collections.abc import Mapping
from typing import NamedTuple

from supcon_tf.config.pretrain import PretrainConfig
from supcon_tf.config.settings import named

_ANCHORED = ("temperature", "anchors")
_QUEUE = ("queue_size", "encoder_momentum")
_MIXED = ("cutmix_alpha",)
_NONE = types.MappingProxyType({})
_DEFAULTS = {f.name: f.default for f in dataclasses.fields(PretrainConfig)}


class ContrastiveRow(NamedTuple):
    """A loss of projections, whole.

    Attributes:
      title: what figures and model cards call it.
      summary: what it does, for `--list_losses`.
      paper: authors and year.
      url: address of the paper.
      class_name: name of the class in `supcon_tf.losses`.
      options: dict of the arguments of the class that are settings of this
        loss, called `loss_NAME`, and their defaults.
      arguments: names of the settings that the class takes under their name.
      takes_labels: whether it can be given the labels of the images.
      needs_labels: whether it must be given them.
      fixed_by_labels: dict of the options that images with labels do not have,
        and what they are with labels.
      takes_queue: whether projections of earlier batches may be contrasts.
      takes_mixed_labels: whether its labels are `[B, C]`, shares of classes.
      least_views: how many views an image must have.
    """

    title: str
    summary: str
    paper: str
    url: str
    class_name: str
    options: Mapping = _NONE
    arguments: tuple[str, ...] = _ANCHORED
    takes_labels: bool = True
    needs_labels: bool = False
    fixed_by_labels: Mapping = _NONE
    takes_queue: bool = True
    takes_mixed_labels: bool = False
    least_views: int = 1

    @property
    def settings(self):
        """Names of the settings that not all losses have, those of this one."""
        return (
            *(f"loss_{name}" for name in self.options),
            *self.arguments,
            *(_QUEUE if self.takes_queue else ()),
            *(_MIXED if self.takes_mixed_labels else ()),
        )

    @property
    def citation(self):
        """The title and the paper, as Markdown."""
        return f"{self.title} of [{self.paper}]({self.url})"

    def serves(self, uses_labels):
        """Whether it can be the loss of an objective with, or without labels.

        Args:
          uses_labels: whether the objective gives the labels to the loss.
        """
        return self.takes_labels if uses_labels else not self.needs_labels


LOSSES = {
    "supcon": ContrastiveRow(
        title="SupCon",
        summary="draws a class together; without labels, NT-Xent of SimCLR",
        paper="Khosla et al. 2020",
        url="https://arxiv.org/abs/2004.11362",
        class_name="SupConLoss",
        arguments=(
            *_ANCHORED,
            "summation",
            "denominator",
            "scale_by_temperature",
            "positives_cap",
        ),
    ),
    "sincere": ContrastiveRow(
        title="SINCERE",
        summary="positives do not repel each other; with a margin, "
        "epsilon-SupInfoNCE",
        paper="Feeney & Hughes 2023",
        url="https://arxiv.org/abs/2309.14277",
        class_name="SINCERELoss",
        options={"margin": 0.0},
    ),
    "decoupled": ContrastiveRow(
        title="DCL",
        summary="no positives below the fraction bar; with a sigma, DCLW",
        paper="Yeh et al. 2022",
        url="https://arxiv.org/abs/2110.06848",
        class_name="DecoupledLoss",
        options={"sigma": None, "weights_have_gradient": True},
        fixed_by_labels={"sigma": None, "weights_have_gradient": True},
    ),
    "hard_negatives": ContrastiveRow(
        title="the hard negative loss",
        summary="near negatives count more, and false ones are taken out",
        paper="Robinson et al. 2021",
        url="https://arxiv.org/abs/2010.04592",
        class_name="HardNegativeLoss",
        options={"hardness": 1.0, "class_prior": 0.1},
        fixed_by_labels={"class_prior": 0.0},
    ),
    "focal": ContrastiveRow(
        title="focal SupCon",
        summary="positives that are near already count less (Core-tuning)",
        paper="Zhang et al. 2021",
        url="https://arxiv.org/abs/2102.06605",
        class_name="FocalSupConLoss",
        options={"focus": 1.0},
        needs_labels=True,
    ),
    "balanced": ContrastiveRow(
        title="balanced SupCon",
        summary="each class counts once below the fraction bar, large or small",
        paper="Zhu et al. 2022",
        url="https://arxiv.org/abs/2207.09052",
        class_name="BalancedSupConLoss",
        options={"power": 1.0},
        needs_labels=True,
    ),
    "spread": ContrastiveRow(
        title="the spread loss",
        summary="draws a class together and tells its images apart",
        paper="Chen et al. 2022",
        url="https://arxiv.org/abs/2204.07596",
        class_name="SpreadLoss",
        options={"alpha": 0.5},
        needs_labels=True,
        takes_queue=False,
        least_views=2,
    ),
    "soft_supcon": ContrastiveRow(
        title="SupCon of soft labels",
        summary="weighs pairs by the cosine of their labels, which CutMix may "
        "mix (GenSCL)",
        paper="Kim et al. 2022",
        url="https://arxiv.org/abs/2206.00384",
        class_name="SoftSupConLoss",
        options={"positives_mean": "weights"},
        arguments=(*_ANCHORED, "denominator"),
        needs_labels=True,
        takes_queue=False,
        takes_mixed_labels=True,
    ),
    "groco": ContrastiveRow(
        title="the group ordering loss",
        summary="sorts positives above the hardest negatives",
        paper="Shvetsova et al. 2023",
        url="https://arxiv.org/abs/2301.02009",
        class_name="GroCoLoss",
        options={
            "num_negatives": 10,
            "steepness": 1.0,
            "detach_contrasts": False,
        },
        arguments=(),
        takes_queue=False,
        least_views=2,
    ),
    "cross_view": ContrastiveRow(
        title="the loss of CLIP",
        summary="tells the images of one view by another view",
        paper="Radford et al. 2021",
        url="https://arxiv.org/abs/2103.00020",
        class_name="CrossViewLoss",
        takes_labels=False,
        takes_queue=False,
        least_views=2,
    ),
    "multi_view": ContrastiveRow(
        title="the multi-view loss",
        summary="all views of an image in one term, MV-DHEL or MV-InfoNCE",
        paper="Koromilas et al. 2024",
        url="https://arxiv.org/abs/2405.18045",
        class_name="MultiViewLoss",
        options={"kind": "dhel"},
        arguments=("temperature",),
        takes_labels=False,
        takes_queue=False,
        least_views=2,
    ),
    "alignment_uniformity": ContrastiveRow(
        title="alignment and uniformity",
        summary="draws views together and spreads all images out, no softmax",
        paper="Wang & Isola 2020",
        url="https://arxiv.org/abs/2005.10242",
        class_name="AlignmentUniformityLoss",
        options={"alpha": 2.0, "t": 2.0, "weights": (1.0, 1.0)},
        arguments=(),
        takes_labels=False,
        takes_queue=False,
        least_views=2,
    ),
    "cacr": ContrastiveRow(
        title="CACR",
        summary="far positives attract more, near negatives repel more",
        paper="Zheng et al. 2023",
        url="https://arxiv.org/abs/2105.03746",
        class_name="CACRLoss",
        options={
            "alpha": 1.0,
            "beta": 1.0,
            "t_positive": 1.0,
            "t_negative": 1.0,
            "weights_have_gradient": True,
        },
        arguments=(),
        takes_labels=False,
        takes_queue=False,
        least_views=2,
    ),
}
# Settings that only some of them have.
LOSS_SETTINGS = frozenset(n for row in LOSSES.values() for n in row.settings)


def make_contrastive_loss(config, uses_labels=True):
    """The loss of projections that a config describes.

    Args:
      config: `PretrainConfig`.
      uses_labels: whether the labels of the images are given to it.

    Returns:
      A `ContrastiveLoss`.

    Raises:
      ValueError: if the loss is unknown or a setting out of its range.
    """
    from supcon_tf import losses

    row = named(LOSSES, "loss", config.loss)
    options = {name: getattr(config, f"loss_{name}") for name in row.options}
    given = {n: value for n, value in options.items() if value is not None}
    if uses_labels:
        given |= row.fixed_by_labels
    if row.takes_mixed_labels:
        given["similarity"] = losses.similarities.Cosine()
    given |= {name: getattr(config, name) for name in row.arguments}
    return getattr(losses, row.class_name)(**given)


def loss_table(objectives):
    """The losses, a few lines each: what `--list_losses` prints.

    Args:
      objectives: dict of the names of contrastive objectives to whether they
        use labels.
    """
    return "\n\n".join(
        "\n    ".join(
            [
                name,
                row.summary,
                f"{row.paper}, {row.url}",
                "objectives: "
                + ", ".join(
                    o for o, uses in objectives.items() if row.serves(uses)
                ),
                *_settings_of(row),
            ]
        )
        for name, row in LOSSES.items()
    )


def _settings_of(row):
    """Two lines at most: its own settings, and those that others have, too."""
    own = [
        f"--loss_{name}={_shown(value)}" + _without_labels(row, name)
        for name, value in row.options.items()
    ]
    shared = [
        f"--{name}={_shown(_DEFAULTS[name])}"
        for name in row.settings
        if not name.startswith("loss_")
    ]
    return [" ".join(line) for line in (own, shared) if line]


def _without_labels(row, option):
    """Says why labels exclude an option."""
    if option not in row.fixed_by_labels:
        return ""
    fixed = _shown(row.fixed_by_labels[option])
    return f" (without labels; with them {fixed})"


def _shown(value):
    """A setting as its flag takes it."""
    if isinstance(value, tuple):
        return ",".join(map(_shown, value))
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).lower() if isinstance(value, bool | None) else value
