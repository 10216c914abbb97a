import numpy as np

from supcon_tf.losses.pairs.contrasts import Contrasts
from supcon_tf.losses.pairs.dense import log_sum_exps


def test_an_anchor_itself_is_left_out():
    z = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    e = np.e
    pairs = Contrasts(z, z, np.array([0, 1, 0]), views=1)
    sums = log_sum_exps(pairs, with_positives=True)
    np.testing.assert_allclose(
        sums[:, 0], np.log([1 + e, 2, 1 + e]), rtol=1e-12
    )
    np.testing.assert_allclose(sums[::2, 1], [1, 1], rtol=1e-12)
    assert sums[1, 1] < -1e30  # alone in its class
    first = Contrasts(z, z, None, views=2, stride=2)
    np.testing.assert_allclose(
        log_sum_exps(first)[:, 0], np.log([1 + e, 1 + e]), rtol=1e-12
    )


def test_contrasts_that_do_not_count_are_not_summed():
    z = np.zeros((5, 2))
    real = np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    pairs = Contrasts(z[:1], z, None, views=1, is_real=real)
    np.testing.assert_allclose(log_sum_exps(pairs), np.log([[2]]), rtol=1e-12)
