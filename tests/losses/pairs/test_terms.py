"""Weights of pairs in both orders."""

import numpy as np

from supcon_tf.losses.pairs.terms import Kinds, is_mask

ROWS, COLUMNS = {"x": np.arange(2.0)}, {"x": np.arange(3.0)}


def weigh(rows, columns):
    difference = rows["x"][:, None] - columns["x"]
    return {"above": difference > 0, "far": np.maximum(difference, 0)}


def test_pairs_in_the_other_order_have_other_weights():
    kinds = Kinds({}, weigh, is_symmetric=False)
    there, back = kinds.in_both_orders(ROWS, COLUMNS)
    np.testing.assert_array_equal(there["far"], [[0, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(back["far"], [[0, 1, 2], [0, 0, 1]])
    assert is_mask(there["above"]) and not is_mask(there["far"])


def test_symmetric_weights_are_computed_once():
    there, back = Kinds({}, weigh).in_both_orders(ROWS, COLUMNS)
    assert there is back
