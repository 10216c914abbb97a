"""SINCERE: without a margin, and with one positive."""

import numpy as np
import pytest
from family import IDS, Z

from supcon_tf import SINCERELoss, SupConLoss


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
@pytest.mark.parametrize("anchors", ["all", "first"])
def test_without_a_margin_it_is_the_one_positive_of_supcon(
    implementation, anchors
):
    options = {"anchors": anchors, "reduction": None, "dtype": "float64"}
    np.testing.assert_allclose(
        SINCERELoss(0.2, implementation=implementation, **options)(IDS, Z),
        SupConLoss(0.2, denominator="one_positive", **options)(IDS, Z),
        rtol=1e-12,
    )


def test_with_one_positive_it_is_nt_xent():
    options = {"reduction": None, "dtype": "float64"}
    np.testing.assert_allclose(
        SINCERELoss(0.2, **options)(np.arange(6), Z),
        SupConLoss(0.2, **options)(None, Z),
        rtol=1e-12,
    )


def test_a_negative_margin_is_refused():
    with pytest.raises(ValueError, match="`margin` must be"):
        SINCERELoss(margin=-0.1)
