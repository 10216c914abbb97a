"""All pairs of N vectors, as square tiles: a few are in memory at a time."""

import keras
import tensorflow as tf
from keras import ops

# Rows of a tile, at most. On two CPU cores the time is flat from 512 to 1024,
# and memory grows with the square.
TILE_SIZE = 896


class Tiles:
    """N rows in `count` blocks of equal size, the last one padded with zeros.

    The padding is less than a row for each block.

    Args:
      size: N, an int or, inside a compiled step, an integer tensor.
      groups: None or `[N]` int32: `parts` then tells the pairs of a group.
      tile_size: positive int, the most rows of a block; None is `TILE_SIZE`.
    """

    def __init__(self, size, groups=None, tile_size=None):
        tile_size = tile_size or TILE_SIZE
        self.size = size
        self.count = _ceiling_of_quotient(size, tile_size)
        self.rows = _ceiling_of_quotient(size, self.count)
        self.groups = None if groups is None else self.cut(groups[:, None])
        self.num_parts = 1 if groups is None else 2

    def cut(self, x):
        """`[N, W]` -> `[count, rows, W]`."""
        padding = self.count * self.rows - self.size
        if not (isinstance(padding, int) and padding == 0):
            x = ops.pad(x, [[0, padding], [0, 0]])
        return ops.reshape(x, (self.count, self.rows, x.shape[1]))

    def join(self, blocks):
        """The inverse of `cut`."""
        return ops.reshape(blocks, (-1, blocks.shape[-1]))[: self.size]

    def parts(self, values, nothing, i, j, diagonal):
        """A tile's values: of all pairs and, with groups, of those of a group.

        `nothing` stands where a pair does not belong to a part, and where row
        and column are the same.
        """
        if diagonal:
            rows = ops.arange(self.rows)
            is_self = rows[:, None] == rows[None, :]
            values = ops.where(is_self, nothing, values)
        if self.groups is None:
            return [values]
        return [values, ops.where(self.same_group(i, j), values, nothing)]

    def same_group(self, i, j):
        """`[rows, rows]` bool: whether row and column have the same group."""
        return self.groups[i] == self.groups[j][None, :, 0]

    def filled(self, number, width, dtype):
        """`[count, rows, width]` of one number."""
        return ops.full((self.count, self.rows, width), number, dtype=dtype)

    def accumulate(self, tile, combine, totals):
        """What all tiles give to the rows of each block.

        Args:
          tile: function `(i, j, diagonal)`, i the block of the tile's rows and
            j >= i that of its columns, to what it gives to its rows and to its
            columns, `[rows, W]` each; for i == j only the first counts.
          combine: function of two such arrays.
          totals: `[count, rows, W]` floats to start with, which change nothing
            when combined.

        Returns:
          `[count, rows, W]` floats.
        """

        def add(i, given, totals):
            updated = combine(totals[i], given)
            return ops.scatter_update(
                totals, ops.reshape(i, (1, 1)), updated[None]
            )

        def off_diagonal(j, i, own, totals):
            for_rows, for_columns = tile(i, j, diagonal=False)
            return i, combine(own, for_rows), add(j, for_columns, totals)

        def row_of_tiles(i, totals):
            own, _ = tile(i, i, diagonal=True)
            _, own, totals = _loop(
                i + 1, self.count, off_diagonal, (i, own, totals)
            )
            return (add(i, own, totals),)

        if isinstance(self.count, int) and self.count == 1:
            return tile(0, 0, diagonal=True)[0][None]
        return _loop(0, self.count, row_of_tiles, (totals,))[0]


def _loop(start, stop, body, state):
    """`state = body(index, *state)` for each index from start up to stop."""

    def step(index, *state):
        return index + 1, *body(index, *state)

    def unfinished(index, *state):
        return index < stop

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
