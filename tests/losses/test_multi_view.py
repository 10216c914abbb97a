"""MV-DHEL and MV-InfoNCE with two views, and at small temperatures."""

import numpy as np
import pytest
from family import Z

from supcon_tf import MultiViewLoss

UNIT = Z / np.linalg.norm(Z, axis=2, keepdims=True)


def log_sum_exp(x):
    return x.max() + np.log(np.exp(x - x.max()).sum())


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
@pytest.mark.parametrize("temperature", [0.5, 0.002])
def test_with_two_views_mv_dhel_is_dhel(implementation, temperature):
    s = np.einsum("iad,jbd->iajb", UNIT, UNIT) / temperature
    expected = []
    for i in range(6):
        others = [j for j in range(6) if j != i]
        below = sum(log_sum_exp(s[i, a, others, a]) for a in range(2))
        expected.append(below - s[i, 0, i, 1])
    loss = MultiViewLoss(
        "dhel",
        temperature,
        implementation=implementation,
        reduction=None,
        dtype="float64",
    )
    np.testing.assert_allclose(loss(None, Z), expected, rtol=1e-11)


def test_the_options_that_it_does_not_have_are_refused():
    with pytest.raises(ValueError, match="`kind` must be 'dhel' or 'infonce'"):
        MultiViewLoss("nce")
    with pytest.raises(ValueError, match="`anchors` must be 'all'"):
        MultiViewLoss(anchors="first")
    with pytest.raises(ValueError, match="two or more views"):
        MultiViewLoss()(None, Z[:, :1])
