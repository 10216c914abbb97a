"""Hard negatives: without hardness and class prior, and what is refused."""

import numpy as np
import pytest
from family import IDS, Z

from supcon_tf import HardNegativeLoss, SINCERELoss, SupConLoss


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
def test_without_hardness_and_prior_it_is_sincere_or_nt_xent(implementation):
    loss = HardNegativeLoss(
        0.3,
        hardness=0,
        class_prior=0,
        implementation=implementation,
        dtype="float64",
    )
    np.testing.assert_allclose(
        loss(IDS, Z), SINCERELoss(0.3, dtype="float64")(IDS, Z), rtol=1e-12
    )
    np.testing.assert_allclose(
        loss(None, Z), SupConLoss(0.3, dtype="float64")(None, Z), rtol=1e-12
    )


def test_a_class_prior_is_refused_with_labels():
    with pytest.raises(ValueError, match="`class_prior` must be 0 with labels"):
        HardNegativeLoss(class_prior=0.1)(IDS, Z)


@pytest.mark.parametrize(
    "options", [{"hardness": -1}, {"class_prior": 1.0}, {"class_prior": -0.1}]
)
def test_a_setting_outside_of_its_range_is_refused(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
        HardNegativeLoss(**options)
