"""Hierarchies: one level, and weights of levels."""

import numpy as np
import pytest
from family import IDS, LEVELS, Z

from supcon_tf import HierarchicalSupConLoss, SupConLoss


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
def test_the_levels_are_supcon_one_by_one(implementation):
    options = {"reduction": None, "dtype": "float64"}
    loss = HierarchicalSupConLoss(
        None, 0.3, implementation=implementation, **options
    )
    supcon = SupConLoss(0.3, **options)
    np.testing.assert_allclose(
        loss(IDS[:, None], Z), supcon(IDS, Z), rtol=1e-12
    )
    weighted = HierarchicalSupConLoss(
        [0.5, 2.0], 0.3, implementation=implementation, **options
    )
    np.testing.assert_allclose(
        weighted(LEVELS, Z),
        0.5 * supcon(LEVELS[:, 0], Z) + 2 * supcon(LEVELS[:, 1], Z),
        rtol=1e-12,
    )


def test_another_number_of_levels_than_weights_is_refused():
    with pytest.raises(ValueError, match=r"integers of shape \[B, 3\]"):
        HierarchicalSupConLoss([1, 1, 1])(LEVELS, Z)
