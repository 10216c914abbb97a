"""Blocks of rows against a loop over the rows."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from supcon_tf.losses.pairs import row_blocks
from supcon_tf.losses.pairs.row_blocks import over_row_blocks

X = np.arange(22.0).reshape(11, 2)
NUMBERS = np.arange(11)[:, None]


def sums(blocks, totals):
    """The sum of each row plus its number, and the sum of all rows."""
    x, numbers = blocks
    rows = ops.sum(x, axis=1, keepdims=True) + ops.cast(numbers, x.dtype)
    return rows, (totals[0] + ops.sum(x, axis=0),)


def blocks_of(x, numbers):
    return over_row_blocks(
        sums,
        (x, numbers),
        outputs=(1, "float64"),
        totals=(ops.zeros((2,), "float64"),),
        row_size=10,
    )


def with_unknown_size(function):
    signature = [
        tf.TensorSpec([None, 2], tf.float64),
        tf.TensorSpec([None, 1], tf.int64),
    ]
    return tf.function(function, input_signature=signature)


@pytest.mark.slow
@pytest.mark.parametrize("largest", [1, 10, 35, 60, 110, 10**6])
@pytest.mark.parametrize("is_known", [True, False])
def test_every_row_counts_once_whatever_the_size_of_the_blocks(
    monkeypatch, largest, is_known
):
    monkeypatch.setattr(row_blocks, "LARGEST_BLOCK", largest)
    compute = blocks_of if is_known else with_unknown_size(blocks_of)
    found, (total,) = compute(tf.constant(X), tf.constant(NUMBERS))
    np.testing.assert_allclose(found, X.sum(1, keepdims=True) + NUMBERS)
    np.testing.assert_allclose(total, X.sum(0))


def test_a_block_has_no_more_numbers_than_allowed(monkeypatch):
    monkeypatch.setattr(row_blocks, "LARGEST_BLOCK", 35)
    sizes = []

    def note(blocks, totals):
        sizes.append(blocks[0].shape[0])
        return blocks[0], totals

    over_row_blocks(
        note, (tf.constant(X),), outputs=(2, "float64"), row_size=10
    )
    assert sizes == [3, 3, 3, 3]  # 11 rows, of 30 numbers at a time


@pytest.mark.parametrize("is_known", [True, False])
def test_no_rows_have_no_outputs(is_known):
    compute = blocks_of if is_known else with_unknown_size(blocks_of)
    found, (total,) = compute(tf.constant(X[:0]), tf.constant(NUMBERS[:0]))
    assert found.shape == (0, 1)
    np.testing.assert_array_equal(total, [0, 0])
