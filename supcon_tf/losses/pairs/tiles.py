"""All pairs of vectors, cut into tiles, of which few are in memory at once."""

import functools

from keras import ops

from supcon_tf.frameworks.backends import is_tensorflow, tf, while_loop
from supcon_tf.losses.pairs.terms import is_mask

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

    def cut_with_last(self, x):
        """As `cut`, padded with the last row."""
        blocks = self.cut(x)
        last = ops.maximum(self.size - 1, 0)
        index = ops.minimum(
            ops.arange(self.count * self.rows, dtype="int32"), last
        )
        rows = ops.reshape(blocks, (-1, x.shape[1]))
        return ops.reshape(ops.take(rows, index, axis=0), ops.shape(blocks))

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
          tile: function `(rows, columns, place)` that returns the contribution
            of a tile to its rows, `[rows, W]`, and a function without arguments
            that returns its contribution to its columns. `rows` and `columns`
            are dicts of a block of each array in `own`, or in `rest` for
            columns of the rest. The place is `"diagonal"` if both are the same
            block, `"own"` if they are two blocks of the own rows, or `"rest"`.
            The function is called for `"own"` alone.
          combine: function that combines two contributions to the same rows.
          totals: `[count, rows, W]` floats to start with, which must not change
            a contribution that they are combined with.
          own: dict of arrays that `self.own` has cut.
          rest: dict of arrays of the same names that `self.rest` has cut; None
            if there is no rest.

        Returns:
          `[count, rows, W]` floats.
        """

        def block(arrays, i):
            return {name: array[i] for name, array in arrays.items()}

        given = _Given(totals, combine)

        def off_diagonal(j, i, total, written):
            for_rows, for_columns = tile(block(own, i), block(own, j), "own")
            return (
                i,
                combine(total, for_rows),
                given.write(written, j, for_columns()),
            )

        def of_rest(j, i, total):
            for_rows, _ = tile(block(own, i), block(rest, j), "rest")
            return i, combine(total, for_rows)

        def row_of_tiles(i, totals):
            rows = block(own, i)
            total, _ = tile(rows, rows, "diagonal")
            _, total, written = _loop(
                i + 1,
                self.own.count,
                off_diagonal,
                (i, total, given.none_yet(totals)),
            )
            if rest is not None:
                _, total = _loop(0, self.rest.count, of_rest, (i, total))
            written = given.write(written, i, total)
            return (given.added(totals, written),)

        if isinstance(self.own.count, int) and self.own.count == 1:
            rows = block(own, 0)
            total, _ = tile(rows, rows, "diagonal")
            if rest is not None:
                _, total = _loop(0, self.rest.count, of_rest, (0, total))
            return total[None]
        return _loop(0, self.own.count, row_of_tiles, (totals,))[0]


class Tile:
    """A block of rows and one of columns, each of which may be the anchors.

    `axis` is the one over which the pairs of an anchor are summed: 1 if the
    rows are the anchors, 0 if the columns are.

    Args:
      rows: dict of blocks: `vectors` `[r, D]`, `is_real` `[r, 1]`, the features
        of `kinds`, and perhaps `scales` `[r, 1]` and `anchors` `[r, W]`.
      columns: such a dict for the columns.
      diagonal: whether rows and columns are the same block.
      kinds: `Kinds`.
    """

    def __init__(self, rows, columns, diagonal, kinds):
        self.rows, self.columns = rows, columns
        self._is_self = None
        if diagonal:
            index = ops.arange(ops.shape(rows["vectors"])[0], dtype="int32")
            self._is_self = index[:, None] == index[None, :]
        self._weights = kinds.in_both_orders(rows, columns)
        self.is_symmetric = kinds.is_symmetric and "scales" not in rows

    @functools.cached_property
    def products(self):
        """The products of the vectors, `[rows, columns]`."""
        return ops.matmul(
            self.rows["vectors"], ops.transpose(self.columns["vectors"])
        )

    def similarities(self, axis):
        """The similarities of the anchors, `[rows, columns]`."""
        if "scales" not in self.rows:
            return self.products
        return self.products * self.scales(axis)

    def scales(self, axis):
        """The scales of the anchors, `[rows, 1]` or `[1, columns]`."""
        if axis == 1:
            return self.rows["scales"]
        return ops.transpose(self.columns["scales"])

    def anchors(self, axis, number):
        """A column of what the anchors have, `[rows, 1]` or `[1, columns]`."""
        if axis == 1:
            return self.rows["anchors"][:, number, None]
        return self.columns["anchors"][None, :, number]

    def weights(self, axis, kind):
        """The weights of a kind `[rows, columns]`; None if all pairs count.

        They may also be an array that broadcasts to that shape.
        """
        if kind is None:
            return None
        weights = self._weights[1 - axis][kind]
        return None if weights is True else weights

    def has(self, kind):
        """Whether there can be pairs of a kind."""
        return kind is None or self._weights[0][kind] is not False

    def zeros(self, axis):
        """A 0 for each anchor, `[., 1]`."""
        anchors = self.rows if axis == 1 else self.columns
        return ops.zeros_like(anchors["is_real"])

    def counted(self, values, axis, kind):
        """The values `[rows, columns]` times the weights of a kind."""
        weights = self.weights(axis, kind)
        if weights is not None and not is_mask(weights):
            values, weights = values * weights, None
        return self.masked(values, weights, 0.0)

    def masked(self, values, mask, nothing):
        """The values `[rows, columns]`, or `nothing` where the mask is False.

        A row compared with itself is `nothing` as well.
        """
        if mask is not None:
            values = ops.where(mask, values, nothing)
        if self._is_self is not None:
            values = ops.where(self._is_self, nothing, values)
        return values

    def sum(self, values, axis):
        """Sums values over the real pairs of each anchor, `[., 1]`."""
        if axis == 1:
            return ops.matmul(values, self.columns["is_real"])
        # It is cheaper to transpose the sums than the tile.
        real = ops.transpose(self.rows["is_real"])
        return ops.transpose(ops.matmul(real, values))

    def is_real(self, axis):
        """The mask of an anchor's real pairs, `[1, columns]` or `[rows, 1]`."""
        if axis == 1:
            return ops.transpose(self.columns["is_real"]) > 0
        return self.rows["is_real"] > 0


def may_meet(a, b):
    """Whether two blocks `[., 1]` of sorted numbers can have one in common."""
    return ops.logical_and(ops.max(a) >= ops.min(b), ops.max(b) >= ops.min(a))


class _Given:
    """The sums of a row of tiles for the blocks from its own on.

    It is added to the totals once a row. To add it tile by tile would copy all
    totals each time, since TensorFlow's loops do not change them in place: 187
    GB for 65,536 projections. XLA does, and Keras' other backends have no
    arrays of tensors; there it is added at once.

    Args:
      totals: `[count, rows, W]` to start with.
      combine: as for `Tiles.accumulate`.
    """

    def __init__(self, totals, combine):
        self._start = totals
        self._combine = combine
        self._is_added_at_once = not is_tensorflow()

    def none_yet(self, totals):
        """Returns the start to write to; its blocks are replaced one by one."""
        if self._is_added_at_once:
            return totals
        return tf.TensorArray(
            self._start.dtype,
            size=ops.shape(self._start)[0],
            element_shape=self._start.shape[1:],
        ).unstack(self._start)

    def write(self, written, j, values):
        """Writes what the row gives to block j, `[rows, W]`."""
        if not self._is_added_at_once:
            return written.write(j, values)
        updated = self._combine(written[j], values)
        return ops.scatter_update(
            written, ops.reshape(j, (1, 1)), updated[None]
        )

    def added(self, totals, written):
        """The totals with what the row wrote, `[count, rows, W]`."""
        if self._is_added_at_once:
            return written
        return self._combine(totals, written.stack())


def _loop(start, stop, body, state):
    """`state = body(index, *state)` for each index from start up to stop."""

    def step(index, *state):
        return index + 1, *body(index, *state)

    def unfinished(index, *state):
        return index < stop

    if isinstance(stop, int) and isinstance(start, int) and stop - start == 1:
        return body(start, *state)
    state = (ops.convert_to_tensor(start, "int32"), *state)
    # Two steps at once are enough to compute products and exponentials at the
    # same time.
    return while_loop(unfinished, step, state, at_once=2)[1:]


def _ceiling_of_quotient(dividend, divisor):
    """The quotient, rounded up. It is at least 1, even for 0 rows."""
    quotient = -(-dividend // divisor)
    if isinstance(quotient, int):
        return max(1, quotient)
    return ops.maximum(1, quotient)
