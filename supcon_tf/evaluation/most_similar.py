"""The most similar rows of a large matrix, exactly, in blocks.

scikit-learn's brute search partitions all similarities of a row, which takes
longer than to compute them. Here most are passed over after one look.
"""

import numpy as np

_NUMBERS = 32_000_000  # similarities that are in memory at once


def most_similar(train, test, count):
    """Yields the k most similar training rows of each test row, in blocks.

    The similarities s of a test row are laid out in n / c groups of c, and each
    group has its largest one. The k largest similarities lie in the k groups
    with the largest of these, since any other group has k groups before it. So
    only k * c similarities are compared. As c is about sqrt(n / k), there are k
    groups or more.

    Args:
      train: `[n, R]` floats of unit length.
      test: `[m, R]` floats of unit length, of the same dtype.
      count: int k, 1 <= k <= n.

    Yields:
      Similarities `[b, k]`, the largest first, and the numbers of their
      training rows `[b, k]`, for b test rows after the other. Of equally
      similar rows the first ones come first.

    Example:
      >>> train, test = np.eye(4), np.array([[0.6, 0, 0.8, 0]])
      >>> ((similarities, rows),) = most_similar(train, test, 2)
      >>> similarities.tolist(), rows.tolist()
      ([[0.8, 0.6]], [[2, 0]])
    """
    size = max(1, round((len(train) / count) ** 0.5))  # of a group, c
    groups = -(-len(train) // size)
    rows = min(len(test), max(1, _NUMBERS // len(train)))
    # What is beyond the last training row stays -inf. New memory for each block
    # would take half as long as its products.
    memory = np.full((rows, size * groups), -np.inf, train.dtype)
    for first in range(0, len(test), rows or 1):
        part = test[first : first + rows]
        # Group g has the training rows g, g + groups, g + 2 * groups, ...
        similarities = memory[: len(part)]
        np.matmul(part, train.T, out=similarities[:, : len(train)])
        largest = similarities.reshape(-1, size, groups).max(axis=1)
        chosen = _largest(largest, count)  # [b, k groups]
        found = chosen[:, :, None] + groups * np.arange(size)
        found = found.reshape(len(part), -1)  # [b, k * c]
        values = np.take_along_axis(similarities, found, axis=1)
        best = _largest(values, count)
        least = np.take_along_axis(values, best, axis=1).min(axis=1)[:, None]
        # Rows as similar as the last of the k, more than there is room for.
        is_tied = np.sum(values >= least, axis=1) > count
        is_tied |= np.sum(largest >= least, axis=1) > count
        found = np.take_along_axis(found, best, axis=1)
        if is_tied.any():
            tied = similarities[is_tied, : len(train)]
            found[is_tied] = np.argsort(-tied, axis=1, kind="stable")[:, :count]
        values = np.take_along_axis(similarities, found, axis=1)
        order = np.lexsort((found, -values), axis=1)
        yield (
            np.take_along_axis(values, order, axis=1),
            np.take_along_axis(found, order, axis=1),
        )


def _largest(values, count):
    """The places of the largest values of each row, in any order."""
    if count == values.shape[1]:
        return np.broadcast_to(np.arange(count), values.shape)
    return np.argpartition(values, -count, axis=1)[:, -count:]
