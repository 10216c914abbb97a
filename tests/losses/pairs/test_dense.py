import numpy as np
import pytest

from supcon_tf.losses.pairs.dense import log_denominators, pair_masks


def test_log_denominators_leave_out_the_anchor_itself():
    z = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    e = np.e
    np.testing.assert_allclose(
        log_denominators(z, z, 1), np.log([1 + e, 2, 1 + e]), rtol=1e-12
    )
    np.testing.assert_allclose(
        log_denominators(z[::2], z, 2), np.log([1 + e, 1 + e]), rtol=1e-12
    )


def test_masks_of_two_views():
    same = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], bool)
    same = np.repeat(np.repeat(same, 2, 0), 2, 1)
    positive, negative = pair_masks(same, views=2, step=1)
    np.testing.assert_array_equal(negative, ~same)
    np.testing.assert_array_equal(positive, same & ~np.eye(6, dtype=bool))
    first, _ = pair_masks(same[::2], views=2, step=2)
    np.testing.assert_array_equal(first, positive[::2])


@pytest.mark.parametrize(("cap", "kept"), [(0, 0), (2, 1), (4, 2), (8, 4)])
def test_a_cap_keeps_the_first_other_images_of_the_class(cap, kept):
    cats = np.ones((10, 10), bool)
    positive, negative = pair_masks(cats, views=2, step=1, positives_cap=cap)
    others = [0, 1, 3, 4][:kept]  # of the third cat, whose rows are 4 and 5
    columns = {5} | {2 * o for o in others} | {2 * o + 1 for o in others}
    assert set(np.flatnonzero(positive[4])) == columns
    assert not np.any(negative)


def test_a_cap_counts_in_the_order_of_the_replicas():
    # Row 0 is the third of five cats of one view; two come before it.
    cats = np.ones((1, 5), bool)
    positive, _ = pair_masks(cats, views=1, step=1, positives_cap=3, first=2)
    np.testing.assert_array_equal(positive, [[0, 1, 0, 1, 1]])


def test_contrasts_that_do_not_count_are_neither():
    same = np.array([[1, 1, 0, 1, 0]], bool)
    real = np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    positive, negative = pair_masks(same, views=1, step=1, is_real=real)
    np.testing.assert_array_equal(positive, [[0, 1, 0, 0, 0]])
    np.testing.assert_array_equal(negative, [[0, 0, 1, 0, 0]])
    z = np.zeros((5, 2))
    np.testing.assert_allclose(
        log_denominators(z[:1], z, 1, real), np.log([2]), rtol=1e-12
    )
