"""Which contrasts an anchor has, and its log-sum-exps of nothing."""

import numpy as np
import tensorflow as tf

from supcon_tf.losses.pairs.contrasts import compared_with
from supcon_tf.losses.pairs.dense import lowest, others_of, sums_over_pairs
from supcon_tf.losses.pairs.terms import Exps


def test_an_anchor_is_no_contrast_of_its_own():
    others = others_of(np.zeros((2, 4)), 2, np.array([1.0, 1, 1, 0]))
    np.testing.assert_array_equal(
        others, [[False, True, True, False], [True, True, False, False]]
    )


def test_a_log_sum_exp_of_nothing_is_low_and_has_the_slope_0():
    own = tf.constant([[1.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(own)
        contrasts = compared_with(own, None, views=1, bound=1.0)
        sums = sums_over_pairs(contrasts, [Exps()])
    assert sums.numpy() <= lowest("float32") / 2
    assert np.isfinite(sums).all()
    assert not tape.gradient(sums, own).numpy().any()
