"""Balanced SupCon: the power."""

import numpy as np
import pytest
from family import IDS, Z

from supcon_tf import BalancedSupConLoss, SupConLoss


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
@pytest.mark.parametrize("anchors", ["all", "first"])
def test_with_power_0_it_is_supcon(implementation, anchors):
    options = {"anchors": anchors, "reduction": None, "dtype": "float64"}
    np.testing.assert_allclose(
        BalancedSupConLoss(
            0.3, power=0, implementation=implementation, **options
        )(IDS, Z),
        SupConLoss(0.3, **options)(IDS, Z),
        rtol=1e-12,
    )


def test_more_of_a_negative_class_in_the_same_places_changes_nothing():
    """With power 1 the mean over the class stays."""
    loss = BalancedSupConLoss(0.3, reduction=None, dtype="float64")
    more, labels = np.concatenate([Z, Z[3:4]]), [*IDS, IDS[3]]
    of_others = [i for i in range(6) if IDS[i] != IDS[3]]
    np.testing.assert_allclose(
        np.array(loss(labels, more))[of_others],
        np.array(loss(IDS, Z))[of_others],
        rtol=1e-12,
    )


def test_a_negative_power_is_refused():
    with pytest.raises(ValueError, match="`power` must be"):
        BalancedSupConLoss(power=-1)
