"""The value and gradient of losses on two replicas, beside one device."""

import contextlib

import numpy as np
import tensorflow as tf

from supcon_tf import (
    AlignmentUniformityLoss,
    BalancedSupConLoss,
    CACRLoss,
    ConRLoss,
    CrossViewLoss,
    DecoupledLoss,
    FocalSupConLoss,
    GroCoLoss,
    HardNegativeLoss,
    HierarchicalSupConLoss,
    MultiViewLoss,
    RankNContrastLoss,
    SINCERELoss,
    SoftSupConLoss,
    SpreadLoss,
    SupConLoss,
    similarities,
)
from supcon_tf.losses.pairs import contrasts, tiles


def no_labels(classes):
    """Nothing."""


def shares(classes):
    """Soft labels of 4 classes."""
    others = (classes + np.arange(len(classes)) % 3 + 1) % 4
    return 0.7 * np.eye(4)[classes] + 0.3 * np.eye(4)[others]


def targets(classes):
    """Targets of a regression, some of them equal."""
    return 5.0 * classes + np.arange(len(classes)) % 3


def with_predictions(classes):
    """Targets, and predictions of both views."""
    y = targets(classes)
    return np.stack([y, y[::-1], y + 4], axis=1)


def levels(classes):
    """A hierarchy of two levels."""
    return np.stack([classes // 2, classes], axis=1)


def mixed(classes):
    """Each image is mixed with the next one of its batch."""
    numbers = np.arange(len(classes))
    others = (numbers + 1) % len(classes)
    return np.stack([0.5 + classes / 8, numbers, others], axis=1)


# Each with what makes its labels of the classes, if it is not the classes.
SUPCON = {
    "dense": (lambda: SupConLoss(0.3, implementation="dense"), None),
    "tiled": (lambda: SupConLoss(0.3, implementation="tiled"), None),
    "tiled, small temperature": (
        lambda: SupConLoss(0.02, implementation="tiled"),
        None,
    ),
    "tiled, inside": (
        lambda: SupConLoss(0.3, implementation="tiled", summation="inside"),
        None,
    ),
    "first": (lambda: SupConLoss(0.3, anchors="first"), None),
    "one_positive": (lambda: SupConLoss(0.3, denominator="one_positive"), None),
    "only_negatives": (
        lambda: SupConLoss(0.3, denominator="only_negatives"),
        None,
    ),
    "cap": (lambda: SupConLoss(0.3, positives_cap=2), None),
    "unlabeled": (lambda: SupConLoss(0.3, unlabeled_label=0), None),
    "no labels": (lambda: SupConLoss(0.3), no_labels),
}
FAMILY = {
    "sincere": (lambda: SINCERELoss(0.3, margin=0.1), None),
    "decoupled": (lambda: DecoupledLoss(0.3), None),
    "decoupled, sigma": (lambda: DecoupledLoss(0.3, sigma=0.5), no_labels),
    "hard negatives": (lambda: HardNegativeLoss(0.3), no_labels),
    "focal": (lambda: FocalSupConLoss(0.3), None),
    "balanced": (lambda: BalancedSupConLoss(0.3), None),
    "jaccard": (
        lambda: SoftSupConLoss(similarities.Jaccard(0.2), 0.3),
        shares,
    ),
    "cosine": (lambda: SoftSupConLoss(similarities.Cosine(), 0.3), shares),
    "dot": (lambda: SoftSupConLoss(similarities.Dot(), 0.3), shares),
    "supremix": (
        lambda: SoftSupConLoss(
            similarities.Within(1),
            0.3,
            contrast_weights=similarities.Distance(),
            denominator="one_positive",
        ),
        targets,
    ),
    "shared levels": (
        lambda: SoftSupConLoss(similarities.SharedLevels(), 0.3),
        levels,
    ),
    "hierarchical": (lambda: HierarchicalSupConLoss(None, 0.3), levels),
    "clip": (lambda: CrossViewLoss(None, 0.3), no_labels),
    "clip, first": (
        lambda: CrossViewLoss(None, 0.3, anchors="first"),
        no_labels,
    ),
    "mixco": (
        lambda: CrossViewLoss(similarities.Mixed(), 0.3, positives_mean="one"),
        mixed,
    ),
    "spread": (lambda: SpreadLoss(0.5, 0.3), None),
    "mv-infonce": (lambda: MultiViewLoss("infonce", 0.3), no_labels),
    "mv-dhel": (lambda: MultiViewLoss("dhel", 0.3), no_labels),
    "alignment and uniformity": (AlignmentUniformityLoss, no_labels),
    "cacr": (CACRLoss, no_labels),
    "conr": (lambda: ConRLoss(3.0, 0.3), with_predictions),
    "rank-n-contrast": (lambda: RankNContrastLoss(0.3), targets),
    "groco": (lambda: GroCoLoss(num_negatives=3), None),
}
LOSSES = {**SUPCON, **FAMILY}


def on_one_device(loss, labels, projections):
    """The value and the gradient `[B, V, D]` on one device."""
    projections = tf.constant(projections)
    with tf.GradientTape() as tape:
        tape.watch(projections)
        value = loss(labels, projections)
    return value.numpy(), tape.gradient(value, projections).numpy()


def on_replicas(strategy, loss, labels, projections, sizes):
    """The values of the replicas, and the gradient `[B, V, D]`.

    Args:
      strategy: of as many replicas as there are sizes.
      loss: the loss.
      labels: `[B, ...]`, or None.
      projections: `[B, V, D]`.
      sizes: the number of images of each replica.
    """
    stops = np.cumsum(sizes)

    def on_replica():
        context = tf.distribute.get_replica_context()
        own = slice(
            *tf.constant([[0, *stops[:-1]], stops])[
                :, context.replica_id_in_sync_group
            ]
        )
        part = tf.constant(projections)[own]
        own_labels = None if labels is None else tf.constant(labels)[own]
        with tf.GradientTape() as tape:
            tape.watch(part)
            value = loss(own_labels, part)
        return value, tape.gradient(value, part)

    results = strategy.run(on_replica)
    values, gradients = map(strategy.experimental_local_results, results)
    return np.array(values), np.concatenate(gradients)


@contextlib.contextmanager
def small_tiles():
    """Tiles of 5 rows, so that few projections need many of them."""
    size, tiles.TILE_SIZE = tiles.TILE_SIZE, 5
    yield
    tiles.TILE_SIZE = size


@contextlib.contextmanager
def without_gather():
    """Each replica takes its own projections for all there are."""
    gather, first_row = contrasts.concat_over_replicas, contrasts.first_row
    contrasts.concat_over_replicas = lambda x: x
    contrasts.first_row = lambda size: 0
    yield
    contrasts.concat_over_replicas, contrasts.first_row = gather, first_row


@contextlib.contextmanager
def stopped_gradient():
    """No gradient reaches the projections of other replicas."""
    gather = contrasts.concat_over_replicas
    contrasts.concat_over_replicas = lambda x: tf.stop_gradient(gather(x))
    yield
    contrasts.concat_over_replicas = gather
