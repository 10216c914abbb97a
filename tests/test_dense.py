import numpy as np
import pytest

from supcon_tf.dense import log_denominators, pair_masks


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
    positive, negative = pair_masks(same, views=2, step=1, positives_cap=None)
    expected = np.repeat(np.repeat(same, 2, 0), 2, 1)
    np.testing.assert_array_equal(negative, ~expected)
    np.testing.assert_array_equal(positive, expected & ~np.eye(6, dtype=bool))
    first, _ = pair_masks(same, views=2, step=2, positives_cap=None)
    np.testing.assert_array_equal(first, positive[::2])


@pytest.mark.parametrize(("cap", "kept"), [(0, 0), (2, 1), (4, 2), (8, 4)])
def test_a_cap_keeps_the_first_other_images_of_the_class(cap, kept):
    cats = np.ones((5, 5), bool)
    positive, negative = pair_masks(cats, views=2, step=1, positives_cap=cap)
    others = [0, 1, 3, 4][:kept]  # of the third cat, whose rows are 4 and 5
    columns = {5} | {2 * o for o in others} | {2 * o + 1 for o in others}
    assert set(np.flatnonzero(positive[4])) == columns
    assert not np.any(negative)
