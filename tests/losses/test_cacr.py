"""CACR: attraction and repulsion by themselves."""

import numpy as np
import pytest
from sheet import X3

from supcon_tf import CACRLoss


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"alpha": 1, "beta": 0}, 0.565009472),
        ({"alpha": 0, "beta": 1}, -1.236875794),
        ({"alpha": 1, "beta": 0, "t_positive": 2}, 0.599183545),
        ({"alpha": 0, "beta": 1, "t_negative": 0.9}, -1.277690488),
        ({"alpha": 2, "beta": 3}, 2 * 0.565009472 - 3 * 1.236875794),
    ],
)
def test_the_parts_have_the_recorded_values(implementation, options, value):
    loss = CACRLoss(implementation=implementation, dtype="float64", **options)
    np.testing.assert_allclose(loss(None, X3), value, atol=4e-9)


def test_one_view_is_refused():
    with pytest.raises(ValueError, match="two or more views"):
        CACRLoss()(None, X3[:, :1])
