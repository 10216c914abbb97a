"""All pairs of vectors, as tiles: a few are in memory at a time."""

import keras
import tensorflow as tf
from keras import ops

# Rows of a tile, at most. On two CPU cores the time is flat from 512 to 1024,
# and memory grows with the square.
TILE_SIZE = 896


class Blocks:
    """N rows in `count` blocks of equal size, the last one padded with zeros.

    The padding is less than a row for each block.

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
        """`[N, W]` -> `[count, rows, W]`."""
        padding = self.count * self.rows - self.size
        if not (isinstance(padding, int) and padding == 0):
            x = ops.pad(x, [[0, padding], [0, 0]])
        return ops.reshape(x, (self.count, self.rows, x.shape[1]))

    def join(self, blocks):
        """The inverse of `cut`."""
        return ops.reshape(blocks, (-1, blocks.shape[-1]))[: self.size]

    def filled(self, number, width, dtype):
        """`[count, rows, width]` of one number."""
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
        """What all tiles give to the own rows.

        Args:
          tile: function `(rows, columns, diagonal)` to what a tile gives to its
            rows, `[rows, W]`, and a function without arguments to what it
            gives to its columns. `rows` and `columns` are tuples, a block of
            each array in `own` or, for columns, in `rest`; `diagonal` tells
            whether both are the same block.
          combine: function of two arrays that were given to the same rows.
          totals: `[count, rows, W]` floats to start with, which change nothing
            when combined.
          own: tuple of arrays that `self.own` has cut.
          rest: tuple of as many arrays that `self.rest` has cut; None if there
            is none.

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
    """A tile's values: of all pairs and, with groups, of those of a group.

    Args:
      values: `[rows, columns]`.
      nothing: a number, which stands where a pair does not belong to a part,
        and, on the diagonal, where row and column are the same.
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
    # Keras lets ten steps run at once, which is ten tiles in memory. Two keep
    # both the products and the exponentials going.
    return tf.while_loop(unfinished, step, state, parallel_iterations=2)[1:]


def _ceiling_of_quotient(dividend, divisor):
    """At least 1, also of 0 rows."""
    quotient = -(-dividend // divisor)
    if isinstance(quotient, int):
        return max(1, quotient)
    return ops.maximum(1, quotient)
