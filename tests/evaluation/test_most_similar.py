import numpy as np
import pytest

from supcon_tf.evaluation import most_similar as module
from supcon_tf.evaluation.most_similar import most_similar


def unit(rows, columns, seed):
    x = np.random.default_rng(seed).normal(size=(rows, columns))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def found(train, test, count):
    blocks = list(most_similar(train, test, count))
    return (np.concatenate(x) for x in zip(*blocks, strict=True))


SIZES = [(1, 1), (2, 1), (5, 2), (9, 4), (10, 10), (100, 1), (101, 7), (64, 63)]


@pytest.mark.parametrize("size, count", SIZES)
@pytest.mark.parametrize("numbers", [10**9, 250, 1])
def test_they_are_those_of_a_full_sort(monkeypatch, size, count, numbers):
    monkeypatch.setattr(module, "_NUMBERS", numbers)  # blocks of many sizes
    train, test = unit(size, 6, 0), unit(11, 6, 1)
    similarities, rows = found(train, test, count)
    expected = np.argsort(-(test @ train.T), axis=1)[:, :count]
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(
        similarities, np.sum(test[:, None] * train[rows], axis=-1)
    )


def test_equal_ones_are_found_as_often_as_there_is_place():
    train = np.repeat(unit(3, 4, 0), 20, axis=0)
    similarities, rows = found(train, train[::20], 20)
    np.testing.assert_allclose(similarities, 1)
    for number, row in enumerate(rows):
        assert set(row) == set(range(20 * number, 20 * number + 20))


def test_the_dtype_stays():
    train = unit(50, 3, 0).astype("float32")
    similarities, _ = found(train, train, 3)
    assert similarities.dtype == np.float32


def test_of_equally_similar_rows_the_first_are_taken():
    train = np.eye(3)[np.array([2, 0, 1, 0, 0, 2, 0, 0, 1, 0])]
    test = np.array([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8]])
    ((similarities, rows),) = most_similar(train, test, 3)
    assert rows.tolist() == [[1, 3, 4], [0, 5, 2]]
    assert similarities.tolist() == [[1.0] * 3, [0.8, 0.8, 0.6]]
