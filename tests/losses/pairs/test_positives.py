import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.labels import as_ids
from supcon_tf.losses.pairs.positives import as_mask, group_by_class, pair_masks

INT64 = np.iinfo(np.int64)


def test_masks_of_two_views():
    same = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], bool)
    same = np.repeat(np.repeat(same, 2, 0), 2, 1)
    positive, negative = pair_masks(same, views=2, stride=1)
    np.testing.assert_array_equal(negative, ~same)
    np.testing.assert_array_equal(positive, same & ~np.eye(6, dtype=bool))
    first, _ = pair_masks(same[::2], views=2, stride=2)
    np.testing.assert_array_equal(first, positive[::2])


@pytest.mark.parametrize(("cap", "kept"), [(0, 0), (2, 1), (4, 2), (8, 4)])
def test_a_cap_keeps_the_first_other_images_of_the_class(cap, kept):
    cats = np.ones((10, 10), bool)
    positive, negative = pair_masks(cats, views=2, stride=1, positives_cap=cap)
    others = [0, 1, 3, 4][:kept]  # of the third cat, whose rows are 4 and 5
    columns = {5} | {2 * o for o in others} | {2 * o + 1 for o in others}
    assert set(np.flatnonzero(positive[4])) == columns
    assert not np.any(negative)


def test_a_cap_counts_in_the_order_of_the_replicas():
    # Row 0 is the third of five cats of one view; two come before it.
    cats = np.ones((1, 5), bool)
    positive, _ = pair_masks(cats, views=1, stride=1, positives_cap=3, first=2)
    np.testing.assert_array_equal(positive, [[0, 1, 0, 1, 1]])


def test_contrasts_that_do_not_count_are_neither():
    same = np.array([[1, 1, 0, 1, 0]], bool)
    real = np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    positive, negative = pair_masks(same, views=1, stride=1, is_real=real)
    np.testing.assert_array_equal(positive, [[0, 1, 0, 0, 0]])
    np.testing.assert_array_equal(negative, [[0, 0, 1, 0, 0]])


def test_a_mask_has_a_row_an_image_and_a_column_an_image():
    mask = np.eye(3, dtype=bool)
    np.testing.assert_array_equal(as_mask(mask, 3, 3), mask)
    with pytest.raises(ValueError, match=r"shape=\(3, 3\)"):
        as_mask(mask, 4, 4)


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 0, 2, 1, 0],
        [INT64.min, INT64.max, INT64.min, 0, INT64.max, INT64.min],
        [2**53, 2**53 + 1, 2**53, -1, 2**53 + 1, 2**53],
    ],
)
@pytest.mark.parametrize("is_compiled", [False, True])
def test_groups_are_equal_where_labels_are(labels, is_compiled):
    function = tf.function(group_by_class) if is_compiled else group_by_class
    groups = function(as_ids(labels, 6), 6).numpy()
    assert groups.dtype == np.int32
    assert set(groups) <= set(range(6))
    labels = np.array(labels)
    np.testing.assert_array_equal(
        groups[:, None] == groups, labels[:, None] == labels
    )


def test_each_unlabeled_image_is_a_group_of_its_own():
    ids = as_ids([5, -1, 5, -1, -1, 7], 6)
    groups = group_by_class(ids, 6, unlabeled_label=-1).numpy()
    assert groups[0] == groups[2]
    assert len(set(groups)) == 5
    assert set(groups) <= set(range(6))


def test_without_labels_each_image_is_a_group_of_its_own():
    assert group_by_class(None, 3).numpy().tolist() == [0, 1, 2]


def test_groups_of_no_image_are_none():
    assert group_by_class(as_ids(np.zeros(0, int), 0), 0).shape == (0,)
