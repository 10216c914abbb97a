"""What an encoder is trained for: losses, and the batches that they take."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from supcon_tf.augmentations.cut_mix import cut_mix
from supcon_tf.losses.additive_margin import AdditiveMarginLoss
from supcon_tf.losses.supcon import SupConLoss


class Objective(NamedTuple):
    """What an encoder can be trained for.

    Attributes:
      make_loss: function of a `PretrainConfig`.
      is_classifier: whether a classifier is trained with the encoder.
      uses_labels: whether the labels of the images are given to the loss.
    """

    make_loss: Callable
    is_classifier: bool
    uses_labels: bool


def _supcon_loss(config):
    return SupConLoss(
        config.temperature,
        summation=config.summation,
        denominator=config.denominator,
        anchors=config.anchors,
        scale_by_temperature=config.scale_by_temperature,
        positives_cap=config.positives_cap,
    )


def _cross_entropy(config):
    return keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=config.label_smoothing
    )


def _additive_margin(config):
    return AdditiveMarginLoss(config.margin, config.logit_scale)


OBJECTIVES = {
    "supcon": Objective(_supcon_loss, is_classifier=False, uses_labels=True),
    "simclr": Objective(_supcon_loss, is_classifier=False, uses_labels=False),
    "cross_entropy": Objective(
        _cross_entropy, is_classifier=True, uses_labels=True
    ),
    "max_margin": Objective(
        _additive_margin, is_classifier=True, uses_labels=True
    ),
}


def is_classifier(config):
    """Whether the objective of a config trains a classifier, not a head."""
    return OBJECTIVES[config.objective].is_classifier


def for_objective(config, num_classes):
    """How batches of views and labels are changed for the objective.

    Args:
      config: `PretrainConfig`.
      num_classes: int, of the data set's labels.

    Returns:
      A function `(views, first_batch=0, shard=0)` of a `tf.data.Dataset` of
      views and labels, the number of its first element since the start of the
      run, and the number of the worker, to one of what the model is fitted to:
      without labels for an objective that does not use them, mixed by CutMix if
      the config says so. (Images are mixed with those of the same element: of
      several workers, with those of a replica.)
    """

    def changed(views, first_batch=0, shard=0):
        if not OBJECTIVES[config.objective].uses_labels:
            return views.map(lambda views, labels: views)
        if config.cutmix_alpha:
            mixed = functools.partial(_mixed, config, num_classes, shard)
            return views.enumerate(first_batch).map(mixed)
        return views

    return changed


def _mixed(config, num_classes, shard, number, batch):
    views, labels = batch
    seed = tf.random.experimental.stateless_fold_in(
        tf.stack([tf.constant(config.seed, tf.int64), number]), shard
    )
    one_hot = tf.one_hot(labels, num_classes)
    return cut_mix(views, one_hot, seed, alpha=config.cutmix_alpha)
