"""OBJECTIVES has a row for each objective that an encoder can be trained for.

To add one, write its row: nothing else knows the names. A row's functions
import what they make when they are called, so that a command can list the
objectives without TensorFlow.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

from supcon_tf.training.losses import (
    LOSS_SETTINGS,
    LOSSES,
    loss_table,
    make_contrastive_loss,
)

_LABELS = ("label_noise", "samples_per_class")
_CONTRAST = (
    "loss",
    *sorted(LOSS_SETTINGS - {"queue_size", "encoder_momentum", "cutmix_alpha"}),
    "projection_units",
    "projection_batch_norm",
    "small_views",
    "small_view_size",
    "small_crop_area",
)
_QUEUE = ("queue_size", "encoder_momentum")


class Objective(NamedTuple):
    """An objective, whole.

    Attributes:
      summary: what the encoder learns from, for the help of the flag.
      title: what figures call it.
      color: of its lines.
      marker: of its points.
      method: what a model card calls it within a sentence.
      card: what a model card says of the loss, with a place for the contrastive
        loss if there is one, `{loss}`.
      contrast: what a model card calls the loss `supcon` there.
      make_loss: function of a `PretrainConfig`, to what the model is compiled
        with.
      make_model: function of an encoder, a `PretrainConfig`, the number of
        classes and arguments of `EncoderModel`.
      settings: names of the settings that only some objectives have, those of
        this one.
      model_file: name of the file in a workdir that holds the trained model,
        encoder and heads.
      is_contrastive: whether a projection head is trained with the encoder, by
        contrast.
      is_classifier: whether a classifier is trained with the encoder. It may be
        one beside a projection head.
      uses_labels: whether the labels of the images are given to the loss.
      least_views: how many views an image must have.
    """

    summary: str
    title: str
    color: str
    marker: str
    method: str
    card: str
    make_loss: Callable
    make_model: Callable
    settings: tuple[str, ...]
    model_file: str
    contrast: str = ""
    is_contrastive: bool = False
    is_classifier: bool = False
    uses_labels: bool = True
    least_views: int = 1


def _cross_entropy(config):
    import keras

    return keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=config.label_smoothing
    )


def _joint_losses(config):
    return {
        "projections": make_contrastive_loss(config),
        "logits": _cross_entropy(config),
    }


def _additive_margin(config):
    from supcon_tf.losses.additive_margin import AdditiveMarginLoss

    return AdditiveMarginLoss(config.margin, config.logit_scale)


def _projection_head(config):
    from supcon_tf.models.heads import ProjectionHead

    return ProjectionHead(
        config.projection_units, batch_norm=config.projection_batch_norm
    )


def _contrastive_model(encoder, config, num_classes, **arguments):
    from supcon_tf.models.supcon_model import SupConModel

    del num_classes
    return SupConModel(
        encoder,
        _projection_head(config),
        queue_size=config.queue_size,
        encoder_momentum=config.encoder_momentum,
        **arguments,
    )


def _classification_model(
    encoder, config, num_classes, *, cosine=False, **arguments
):
    from supcon_tf.models.classification_model import ClassificationModel

    del config
    return ClassificationModel(encoder, num_classes, cosine=cosine, **arguments)


def _joint_model(encoder, config, num_classes, **arguments):
    from supcon_tf.models.joint_model import JointModel

    return JointModel(
        encoder,
        _projection_head(config),
        num_classes,
        contrast_weight=config.contrast_weight,
        **arguments,
    )


_SUPCON = (
    "the supervised contrastive loss of [Khosla et al. 2020]"
    "(https://arxiv.org/abs/2004.11362)"
)
# Colors of Petroff, "Accessible Color Sequences for Data Visualization", 2021,
# https://arxiv.org/abs/2107.02270: told apart by the colour-blind, too.
OBJECTIVES = {
    "supcon": Objective(
        summary="the labels by contrast",
        title="SupCon",
        color="#3f90da",
        marker="o",
        method="supervised contrastive learning",
        card="{loss}",
        contrast=_SUPCON,
        make_loss=make_contrastive_loss,
        make_model=_contrastive_model,
        settings=(*_CONTRAST, *_QUEUE, "cutmix_alpha", *_LABELS),
        model_file="supcon_model.keras",
        is_contrastive=True,
    ),
    "simclr": Objective(
        summary="views by contrast, without labels",
        title="SimCLR",
        color="#832db6",
        marker="^",
        method="contrastive learning without labels",
        card="{loss}",
        contrast="the contrastive loss without labels, NT-Xent, of [Chen et "
        "al. 2020](https://arxiv.org/abs/2002.05709)",
        make_loss=functools.partial(make_contrastive_loss, uses_labels=False),
        make_model=_contrastive_model,
        settings=(*_CONTRAST, *_QUEUE),
        model_file="supcon_model.keras",
        is_contrastive=True,
        uses_labels=False,
        least_views=2,  # the other views of an image are its only positives
    ),
    "cross_entropy": Objective(
        summary="the labels by a linear classifier and cross-entropy",
        title="cross-entropy",
        color="#e76300",
        marker="s",
        method="cross-entropy",
        card="cross-entropy, of a linear classifier that was trained with the "
        "encoder",
        make_loss=_cross_entropy,
        make_model=_classification_model,
        settings=("label_smoothing", "cutmix_alpha", *_LABELS),
        model_file="classification_model.keras",
        is_classifier=True,
    ),
    "supcon_cross_entropy": Objective(
        summary="the labels by both supcon and cross_entropy, in one training",
        title="SupCon + cross-entropy",
        color="#bd1f01",
        marker="v",
        method="supervised contrastive learning and cross-entropy together",
        card="the sum of cross-entropy, of a linear classifier that was "
        "trained with the encoder, and of {loss} times a weight",
        contrast=_SUPCON,
        make_loss=_joint_losses,
        make_model=_joint_model,
        settings=(
            *_CONTRAST,
            "contrast_weight",
            "label_smoothing",
            "cutmix_alpha",
            *_LABELS,
        ),
        model_file="joint_model.keras",
        is_contrastive=True,
        is_classifier=True,
    ),
    "max_margin": Objective(
        summary="the labels by additive-margin softmax",
        title="max-margin",
        color="#717581",
        marker="D",
        method="additive-margin softmax",
        card="additive-margin softmax ([Wang et al. 2018]"
        "(https://arxiv.org/abs/1801.05599)), of a classifier that was trained "
        "with the encoder",
        make_loss=_additive_margin,
        make_model=functools.partial(_classification_model, cosine=True),
        settings=("margin", "logit_scale", "cutmix_alpha", *_LABELS),
        model_file="classification_model.keras",
        is_classifier=True,
    ),
}
# Settings that only some of them have.
OBJECTIVE_SETTINGS = frozenset(
    name for row in OBJECTIVES.values() for name in row.settings
)
# The files in a workdir, one of them, that hold such a head with its encoder.
PROJECTION_HEAD_FILES = tuple(
    dict.fromkeys(r.model_file for r in OBJECTIVES.values() if r.is_contrastive)
)
CLASSIFIER_FILES = tuple(
    dict.fromkeys(r.model_file for r in OBJECTIVES.values() if r.is_classifier)
)


def is_contrastive(config):
    """Whether the objective of a config trains a projection head."""
    return OBJECTIVES[config.objective].is_contrastive


def summaries():
    """One line for the help of a flag: each objective and its summary."""
    return "; ".join(
        f"{name}, {row.summary}" for name, row in OBJECTIVES.items()
    )


def contrast_table():
    """The losses of the contrastive objectives, as `--list_losses` prints."""
    return loss_table(
        {
            name: row.uses_labels
            for name, row in OBJECTIVES.items()
            if row.is_contrastive
        }
    )


def words_of(objective, loss=None):
    """Writes what a model card says of an objective and its contrastive loss.

    Args:
      objective: name in OBJECTIVES.
      loss: name of the contrastive loss, or None, which is `supcon`.

    Returns:
      Two texts, to stand within a sentence: the method and the loss.

    Example:
      >>> words_of("supcon", "sincere")[0]
      'supervised contrastive learning (SINCERE)'
    """
    row = OBJECTIVES[objective]
    if not row.is_contrastive or loss in (None, "supcon"):
        return row.method, row.card.format(loss=row.contrast)
    other = LOSSES[loss].citation if loss in LOSSES else f"`{loss}`"
    if not row.uses_labels:
        other += ", without labels"
    title = LOSSES[loss].title if loss in LOSSES else loss
    return f"{row.method} ({title})", row.card.format(loss=other)


def for_objective(config, num_classes):
    """Makes the function that changes batches of views for the objective.

    Args:
      config: `PretrainConfig`.
      num_classes: int, of the data set's labels.

    Returns:
      A function `(views, first_batch=0, shard=0)` of a `tf.data.Dataset` of
      views and labels, the number of its first element since the start of the
      run, and the number of the worker. It returns the data set that the model
      is fitted to: without labels for an objective that does not use them,
      mixed by CutMix if the config says so, with one-hot labels for a loss of
      such labels. Images are mixed with those of the
      same element: with several workers, with those of a replica.
    """

    def changed(views, first_batch=0, shard=0):
        objective = OBJECTIVES[config.objective]
        if not objective.uses_labels:
            return views.map(lambda views, labels: views)
        if config.cutmix_alpha:
            mixed = functools.partial(_mixed, config, num_classes, shard)
            return views.enumerate(first_batch).map(mixed)
        if objective.is_contrastive and LOSSES[config.loss].takes_mixed_labels:
            return views.map(functools.partial(_one_hot, num_classes))
        return views

    return changed


def _mixed(config, num_classes, shard, number, batch):
    """A batch of views and labels, mixed by CutMix; labels `[B, C]`."""
    from supcon_tf.augmentations.cut_mix import cut_mix
    from supcon_tf.frameworks.backends import tf

    views, one_hot = _one_hot(num_classes, *batch)
    seed = tf.random.experimental.stateless_fold_in(
        tf.stack([tf.constant(config.seed, tf.int64), number]), shard
    )
    return cut_mix(views, one_hot, seed, alpha=config.cutmix_alpha)


def _one_hot(num_classes, views, labels):
    """Views, and one-hot labels `[B, C]`."""
    from supcon_tf.frameworks.backends import tf

    return views, tf.one_hot(labels, num_classes)
