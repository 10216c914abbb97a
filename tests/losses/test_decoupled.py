"""DCL and DCLW."""

import numpy as np
import pytest
from family import IDS, Z

from supcon_tf import DecoupledLoss


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
def test_with_a_large_sigma_dclw_is_dcl(implementation):
    options = {"implementation": implementation, "dtype": "float64"}
    np.testing.assert_allclose(
        DecoupledLoss(0.5, sigma=1e6, **options)(None, Z),
        DecoupledLoss(0.5, **options)(None, Z),
        atol=1e-5,
    )


def test_dclw_is_that_of_the_loop_for_three_views():
    z = np.random.default_rng(0).normal(size=(4, 3, 5))
    z /= np.linalg.norm(z, axis=2, keepdims=True)
    expected = np.zeros(4)
    for i in range(4):
        for a in range(3):
            log_sum = np.log(
                sum(
                    np.exp(z[i, a] @ z[j, b] / 0.2)
                    for j in range(4)
                    for b in range(3)
                    if j != i
                )
            )
            for b in {0, 1, 2} - {a}:
                shares = [np.exp(z[j, a] @ z[j, b] / 0.5) for j in range(4)]
                omega = 2 - 4 * shares[i] / sum(shares)
                expected[i] += log_sum - omega * (z[i, a] @ z[i, b]) / 0.2
    loss = DecoupledLoss(0.2, sigma=0.5, reduction=None, dtype="float64")
    np.testing.assert_allclose(loss(None, z), expected / 6, rtol=1e-12)


@pytest.mark.parametrize(("labels", "z"), [(IDS, Z), (None, Z[:, :1])])
def test_a_sigma_is_refused_with_labels_or_with_one_view(labels, z):
    with pytest.raises(ValueError, match="`sigma` must be None unless"):
        DecoupledLoss(sigma=0.5)(labels, z)
