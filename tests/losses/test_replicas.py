"""Every loss on two replicas is the loss on one, and so is its gradient."""

import contextlib

import numpy as np
import pytest
import replica_losses
from often import often
from replica_losses import FAMILY, LOSSES, on_one_device, on_replicas

from supcon_tf import SupConLoss

# One for each way to compute the sums, and each loss that has its own.
MAKE_TEST = (
    "dense",
    "tiled",
    "only_negatives",
    "hard negatives",
    "balanced",
    "jaccard",
    "hierarchical",
    "clip",
    "mixco",
    "mv-dhel",
    "alignment and uniformity",
    "cacr",
    "conr",
    "rank-n-contrast",
    "groco",
)
GENERATOR = np.random.default_rng(0)
CLASSES = GENERATOR.integers(0, 4, 13)
PROJECTIONS = GENERATOR.normal(size=(13, 2, 6))


def example(name):
    """The loss and its labels."""
    make, labels_of = LOSSES[name]
    return make(), CLASSES if labels_of is None else labels_of(CLASSES)


def largest_difference(strategy, loss, labels, sizes):
    """How far the gradients are apart, and the values, of one and of many."""
    value, gradient = on_one_device(loss, labels, PROJECTIONS)
    values, gradients = on_replicas(strategy, loss, labels, PROJECTIONS, sizes)
    # Keras takes the mean of R times each value.
    assert np.abs(gradient).max() > 1e-3
    return (
        np.abs(gradients - gradient).max(),
        np.abs(values * len(sizes) - value).max(),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", often(list(LOSSES), *MAKE_TEST))
def test_two_replicas_of_unequal_size_are_one(name, two_replicas, float64):
    is_tiled = name in FAMILY
    with replica_losses.small_tiles() if is_tiled else contextlib.nullcontext():
        differences = largest_difference(two_replicas, *example(name), (8, 5))
    assert max(differences) <= 1e-13


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", often(["dense", "tiled", "balanced", "clip", "cacr"], "tiled")
)
def test_a_replica_may_have_no_image(name, two_replicas, float64):
    differences = largest_difference(two_replicas, *example(name), (13, 0))
    assert max(differences) <= 1e-13


@pytest.mark.slow
@pytest.mark.parametrize("reduction", ["sum", "mean_with_sample_weight"])
def test_other_reductions(reduction, two_replicas, float64):
    loss = SupConLoss(0.3, reduction=reduction)
    differences = largest_difference(two_replicas, loss, CLASSES, (8, 5))
    assert max(differences) <= 1e-13


@pytest.mark.slow
@pytest.mark.parametrize("mistake", ["without_gather", "stopped_gradient"])
def test_a_mistake_in_the_gather_gives_another_gradient(
    mistake, two_replicas, float64
):
    with getattr(replica_losses, mistake)():
        difference, _ = largest_difference(
            two_replicas, *example("dense"), (8, 5)
        )
    assert difference > 1e-2
