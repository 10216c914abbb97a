import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from supcon_tf.models.labelled_queue import LabelledQueue

HOWS = ["eagerly", "in a graph", "under XLA"]


def enqueued(queue, *batches):
    for ids, projections in batches:
        queue.enqueue(ids, projections)
    return [np.array(item) for item in queue.items()]


def batch(*ids):
    """Ids, and projections of which each is its id."""
    return np.array(ids), np.repeat(np.array(ids, "float32")[:, None], 3, 1)


def test_a_new_queue_is_empty():
    ids, projections, is_filled = enqueued(LabelledQueue(4, 3))
    assert ids.dtype == "int64"
    assert projections.dtype == "float32"
    assert projections.shape == (4, 3)
    np.testing.assert_array_equal(is_filled, [False] * 4)


def queue_of(how, size=4, dim=3):
    queue = LabelledQueue(size, dim)
    if how != "eagerly":
        queue.enqueue = tf.function(
            queue.enqueue,
            input_signature=[
                tf.TensorSpec((None,), "int64"),
                tf.TensorSpec((None, dim), "float32"),
            ],
            jit_compile=how == "under XLA",
        )
    return queue


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([(1, 2)], [1, 2]),
        ([(1, 2), (3,)], [3, 1, 2]),
        ([(1, 2), (), (3,)], [3, 1, 2]),
        ([()], []),
        ([(1, 2), (3, 4, 5)], [3, 4, 5, 1]),
        ([(1, 2), (3, 4, 5), (6, 7)], [6, 7, 3, 4]),
        ([(1,), (2, 3, 4, 5)], [2, 3, 4, 5]),
        ([(1,), (2, 3, 4, 5, 6, 7)], [2, 3, 4, 5]),
    ],
)
def test_the_newest_are_in_front_and_the_oldest_are_dropped(
    batches, expected, how
):
    ids, projections, is_filled = enqueued(
        queue_of(how), *(batch(*ids) for ids in batches)
    )
    assert is_filled.sum() == len(expected)
    np.testing.assert_array_equal(is_filled, np.arange(4) < len(expected))
    np.testing.assert_array_equal(ids[is_filled], expected)
    np.testing.assert_array_equal(projections, np.repeat(ids[:, None], 3, 1))


def test_a_queue_may_hold_one_projection():
    ids, _, is_filled = enqueued(LabelledQueue(1, 3), batch(1, 2), batch(3))
    assert (ids, is_filled) == ([3], [True])


@pytest.mark.parametrize("how", HOWS)
def test_ids_are_exact_over_64_bits(how):
    large = [2**40 + 1, -(2**63), 2**63 - 1]
    ids, _, is_filled = enqueued(queue_of(how), batch(*large))
    np.testing.assert_array_equal(ids[is_filled], large)


def test_lists_of_large_ids_are_exact():
    queue = LabelledQueue(4, 3)
    queue.enqueue([2**40 + 1, 5], np.ones((2, 3)))
    np.testing.assert_array_equal(queue.items()[0][:2], [2**40 + 1, 5])


def test_without_labels_projections_are_kept_alone():
    queue = LabelledQueue(4, 3)
    queue.enqueue(None, np.full((2, 3), 7))
    _, projections, is_filled = queue.items()
    np.testing.assert_array_equal(is_filled, [True, True, False, False])
    np.testing.assert_array_equal(projections[:2], np.full((2, 3), 7))


def test_items_are_those_of_the_moment():
    queue = LabelledQueue(4, 3)
    before = queue.items()
    queue.enqueue(*batch(1, 2))
    np.testing.assert_array_equal(before[0], np.zeros(4))
    np.testing.assert_array_equal(before[1], np.zeros((4, 3)))
    np.testing.assert_array_equal(before[2], [False] * 4)


def test_no_gradient_passes_through_the_queue():
    queue = LabelledQueue(4, 3)
    projections = tf.ones((2, 3))
    with tf.GradientTape() as tape:
        tape.watch(projections)
        queue.enqueue([1, 2], projections)
        total = ops.sum(queue.items()[1])
    assert tape.gradient(total, projections) is None
    assert not queue.trainable_weights


def test_half_precision_projections_are_kept_in_float32():
    queue = LabelledQueue(4, 3, dtype="mixed_bfloat16")
    queue.enqueue([1], tf.ones((1, 3), "bfloat16"))
    assert queue.items()[1].dtype == "float32"


@pytest.mark.parametrize(
    ("ids", "shape"),
    [([1], (2, 3)), ([1, 2], (2, 4)), ([1], (3,)), ([[1], [2]], (2, 3))],
)
def test_other_shapes_are_refused(ids, shape):
    with pytest.raises(ValueError, match=r"must have shapes \[n\] and \[n, 3"):
        LabelledQueue(4, 3).enqueue(ids, np.ones(shape))


@pytest.mark.parametrize("value", [0, -1, 2.0, None, True])
@pytest.mark.parametrize("name", ["size", "dim"])
def test_a_queue_has_positive_sizes(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be an int >= 1"):
        LabelledQueue(**{"size": 4, "dim": 3, name: value})
