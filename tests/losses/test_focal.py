"""The focal factor."""

import numpy as np
import pytest
from family import IDS, Z

from supcon_tf import FocalSupConLoss


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
@pytest.mark.parametrize("focus", [1.0, 1.5, 3])
def test_the_factor_is_that_of_the_loop(implementation, focus):
    z = Z.reshape(12, 3)
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    ids = np.repeat(IDS, 2)
    expected = []
    for i in range(12):
        e = np.exp(z @ z[i] / 0.4)
        e[i] = 0
        p = e / e.sum()
        positives = [j for j in range(12) if j != i and ids[j] == ids[i]]
        factors = (1 - p[positives]) ** focus
        expected.append(np.mean(-factors * np.log(p[positives])))
    loss = FocalSupConLoss(
        0.4, focus=focus, implementation=implementation, dtype="float64"
    )
    np.testing.assert_allclose(loss(IDS, Z), np.mean(expected), rtol=1e-12)


def test_a_focus_below_1_is_refused():
    with pytest.raises(ValueError, match="`focus` must be"):
        FocalSupConLoss(focus=0.5)
