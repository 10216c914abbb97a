"""The spread loss: its two parts, in one direction."""

import numpy as np
import pytest
from sheet import X2, yA

from supcon_tf import SpreadLoss


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
@pytest.mark.parametrize(
    ("alpha", "value"),
    [(1, 0.843911220), (0, 0.352163186), (0.5, 0.598037203)],
)
def test_from_later_to_earlier_view_it_has_the_recorded_values(
    implementation, alpha, value
):
    loss = SpreadLoss(
        alpha,
        anchors="first",
        implementation=implementation,
        dtype="float64",
    )
    np.testing.assert_allclose(loss(yA, X2[:, ::-1]), value, atol=1e-9)


def test_with_alpha_1_it_is_sincere_across_views():
    z = X2 / 3
    losses = []
    for i in range(4):
        for a in range(2):
            e = np.exp(z[:, 1 - a] @ z[i, a] / 0.5)
            negatives = e[yA != yA[i]].sum()
            positives = e[yA == yA[i]]
            ratios = positives / (positives + negatives)
            losses.append(-np.log(ratios).mean())
    np.testing.assert_allclose(
        SpreadLoss(1, dtype="float64")(yA, X2), np.mean(losses), rtol=1e-12
    )


@pytest.mark.parametrize("alpha", [-0.1, 1.1])
def test_a_share_outside_of_0_and_1_is_refused(alpha):
    with pytest.raises(ValueError, match="`alpha` must be"):
        SpreadLoss(alpha)
