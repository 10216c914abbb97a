"""All pairs of vectors, cut into tiles, of which few are in memory at once."""

import keras
import tensorflow as tf
from keras import ops

# The most rows of a tile. On two CPU cores the time is the same from 512 to
# 1024 rows, while the memory grows with their square.
TILE_SIZE = 896


class Blocks:
    """N rows in `count` blocks of equal size, the last one padded with zeros.

    The padding is less than one row for each block.

    Args:
      size: N, an int or, inside a compiled step, an integer tensor.
      tile_size: positive int, the most rows of a block; None is `TILE_SIZE`.
    """

    def __init__(self, size, tile_size=None):
        tile_size = tile_size or TILE_SIZE
        self.size = size
        self.count = _ceiling_of_quotient(size, tile_size)
        self.rows = _ceiling_of_quotient(size, self.count)

    def cut(self, x):
        """Cuts an array into blocks: `[N, W]` -> `[count, rows, W]`."""
        padding = self.count * self.rows - self.size
        if not (isinstance(padding, int) and padding == 0):
            x = ops.pad(x, [[0, padding], [0, 0]])
        return ops.reshape(x, (self.count, self.rows, x.shape[1]))

    def join(self, blocks):
        """Joins blocks; the inverse of `cut`."""
        return ops.reshape(blocks, (-1, blocks.shape[-1]))[: self.size]

    def filled(self, number, width, dtype):
        """Blocks `[count, rows, width]` of one number."""
        return ops.full((self.count, self.rows, width), number, dtype=dtype)


class Tiles:
    """The pairs of N rows with each other and, if any, with K rows of a rest.

    Args:
      size: N, an int or an integer tensor.
      rest_size: K, or None if there is no rest.
      tile_size: positive int, the most rows and columns of a tile.
    """

    def __init__(self, size, rest_size=None, tile_size=None):
        self.own = Blocks(size, tile_size)
        self.rest = None if rest_size is None else Blocks(rest_size, tile_size)

    def accumulate(self, tile, combine, totals, own, rest=None):
        """Combines what all tiles contribute to the own rows.

        Args:
          tile: function `(rows, columns, diagonal)` that returns the
            contribution of a tile to its rows, `[rows, W]`, and a function
            without arguments that returns its contribution to its columns.
            `rows` and `columns` are tuples: a block of each array in `own`, or
            in `rest` for columns of the rest. `diagonal` tells whether both are
            the same block.
          combine: function that combines two contributions to the same rows.
          totals: `[count, rows, W]` floats to start with, which must not change
            a contribution that they are combined with.
          own: tuple of arrays that `self.own` has cut.
          rest: tuple of as many arrays that `self.rest` has cut; None if there
            is no rest.

        Returns:
          `[count, rows, W]` floats.
        """

        def block(arrays, i):
            return tuple(array[i] for array in arrays)

        def add(i, given, totals):
            updated = combine(totals[i], given)
            return ops.scatter_update(
                totals, ops.reshape(i, (1, 1)), updated[None]
            )

        def off_diagonal(j, i, total, totals):
            for_rows, for_columns = tile(block(own, i), block(own, j), False)
            return i, combine(total, for_rows), add(j, for_columns(), totals)

        def of_rest(j, i, total):
            for_rows, _ = tile(block(own, i), block(rest, j), False)
            return i, combine(total, for_rows)

        def row_of_tiles(i, totals):
            rows = block(own, i)
            total, _ = tile(rows, rows, True)
            _, total, totals = _loop(
                i + 1, self.own.count, off_diagonal, (i, total, totals)
            )
            if rest is not None:
                _, total = _loop(0, self.rest.count, of_rest, (i, total))
            return (add(i, total, totals),)

        if isinstance(self.own.count, int) and self.own.count == 1:
            rows = block(own, 0)
            total, _ = tile(rows, rows, True)
            if rest is not None:
                _, total = _loop(0, self.rest.count, of_rest, (0, total))
            return total[None]
        return _loop(0, self.own.count, row_of_tiles, (totals,))[0]


def parts(values, nothing, rows_groups, columns_groups, diagonal):
    """A tile's values for all pairs and, with groups, for pairs of a group.

    Args:
      values: `[rows, columns]`.
      nothing: number that takes the place of a pair that does not belong to a
        part, and of the pair of a row with itself on the diagonal.
      rows_groups: None, or `[rows, 1]` int32.
      columns_groups: None, or `[columns, 1]` int32.
      diagonal: whether rows and columns are the same block.

    Returns:
      A list of one or two arrays like `values`.
    """
    if diagonal:
        rows = ops.arange(values.shape[0] or ops.shape(values)[0])
        is_self = rows[:, None] == rows[None, :]
        values = ops.where(is_self, nothing, values)
    if rows_groups is None:
        return [values]
    is_same = rows_groups == columns_groups[None, :, 0]
    return [values, ops.where(is_same, values, nothing)]


def _loop(start, stop, body, state):
    """`state = body(index, *state)` for each index from start up to stop."""

    def step(index, *state):
        return index + 1, *body(index, *state)

    def unfinished(index, *state):
        return index < stop

    if isinstance(stop, int) and isinstance(start, int) and stop - start == 1:
        return body(start, *state)
    state = (ops.convert_to_tensor(start, "int32"), *state)
    if keras.backend.backend() != "tensorflow":
        return ops.while_loop(unfinished, step, state)[1:]
    # Keras lets ten steps run at once, with ten tiles in memory. Two are enough
    # to compute products and exponentials at the same time.
    return tf.while_loop(unfinished, step, state, parallel_iterations=2)[1:]


def _ceiling_of_quotient(dividend, divisor):
    """The quotient, rounded up. It is at least 1, even for 0 rows."""
    quotient = -(-dividend // divisor)
    if isinstance(quotient, int):
        return max(1, quotient)
    return ops.maximum(1, quotient)
