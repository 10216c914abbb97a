"""Log-sum-exps over all pairs, without an array of all pairs.

The N x N similarities s_ij = z_i.z_j are cut into square tiles. Only a few
tiles are in memory at a time, both forward and backward. The gradient is in
closed form and computes the tiles again. With upstream gradients c_i,

    lse_i = log(sum_{j != i} exp(s_ij))
    dz_i = sum_{j != i} (c_i exp(s_ij - lse_i) + c_j exp(s_ij - lse_j)) z_j

The similarities are symmetric, and so are these weights. A tile off the
diagonal therefore serves its rows and its columns, which halves the work of
both passes.

A replica computes only the rows of its own z_i, in the backward pass as well.
For the other replicas' z_j it needs c_j and lse_j, which are N numbers, and not
the sum over replicas of N x D gradients.
"""

import operator

import keras
from keras import ops

from supcon_tf.losses.pairs.tiles import Tiles, parts

# Similarities up to this size are exponentiated without a shift. float32 sums
# them without overflow (exp(40) = 2e17) or loss (exp(-40) = 4e-18).
LARGEST_BOUND = 40.0


def log_sum_exps(contrasts, *, with_positives=False, tile_size=None):
    """The log-sum-exp of the similarities of each own vector to all others.

    If the similarities have no bound, or one above 40, each tile is shifted by
    the maxima of its rows and columns, which takes up to twice the time.

    Args:
      contrasts: `Contrasts`. Every own vector counts as an anchor.
      with_positives: whether the log-sum-exp over the others of the same class
        is computed as well.
      tile_size: positive int, rows of a tile; None is `tiles.TILE_SIZE`.

    Returns:
      `[n, 1]` floats, or `[n, 2]` with positives. Where a vector has no others
      it is a finite number without meaning.
    """
    rest = contrasts.rest
    tiles = Tiles(
        ops.shape(contrasts.own)[0],
        None if rest is None else ops.shape(rest[0])[0],
        tile_size,
    )
    bound = contrasts.bound
    if bound is not None and bound <= LARGEST_BOUND:
        compute = _log_of_sums
    else:
        compute = _shifted_log_sum_exp
    return compute(tiles, contrasts, rest, with_positives)(contrasts.own)


def _log_of_sums(tiles, contrasts, rest, with_positives):
    """The log-sum-exp without a shift, with one exponential for each pair."""
    groups = contrasts.own_classes if with_positives else None

    @ops.custom_gradient
    def compute(vectors):
        own, others = _cut(tiles, groups, rest, vectors)
        zeros = tiles.own.filled(0.0, 1 if groups is None else 2, vectors.dtype)
        totals = tiles.own.join(
            tiles.accumulate(_sums, operator.add, zeros, own, others)
        )
        is_empty = totals == 0
        totals = ops.where(is_empty, ops.ones_like(totals), totals)

        def gradient(*upstream):
            factors = ops.where(
                is_empty, ops.zeros_like(totals), upstream[-1] / totals
            )
            return _accumulated_products(
                tiles, _products, factors, own, others, contrasts.of_rest
            )

        return ops.log(totals), gradient

    return compute


def _sums(rows, columns, diagonal):
    """What a tile adds to the sums of its rows and of its columns."""
    (z_i, real_i, *group_i), (z_j, real_j, *group_j) = rows, columns
    exps = ops.exp(ops.matmul(z_i, ops.transpose(z_j)))
    exps = parts(exps, 0.0, *_or_none(group_i, group_j), diagonal)

    def for_columns():
        return _side_by_side(
            ops.transpose(ops.matmul(ops.transpose(real_i), part))
            for part in exps
        )

    return _side_by_side(ops.matmul(part, real_j) for part in exps), for_columns


def _products(rows, columns, diagonal):
    """What a tile adds to the gradients of its rows and of its columns."""
    (f_i, z_i, _, *group_i), (f_j, z_j, _, *group_j) = rows, columns
    exps = ops.exp(ops.matmul(z_i, ops.transpose(z_j)))
    exps = parts(exps, 0.0, *_or_none(group_i, group_j), diagonal)
    weights = sum(
        part * (f_i[:, p, None] + f_j[None, :, p])
        for p, part in enumerate(exps)
    )
    return _weighted(weights, z_i, z_j)


def _shifted_log_sum_exp(tiles, contrasts, rest, with_positives):
    """The log-sum-exp of any finite similarities, with a shift of each tile."""
    groups = contrasts.own_classes if with_positives else None

    @ops.custom_gradient
    def compute(vectors):
        own, others = _cut(tiles, groups, rest, vectors)
        lowest = _lowest(vectors)
        nothing = tiles.own.filled(
            lowest, 1 if groups is None else 2, vectors.dtype
        )
        outputs = tiles.own.join(
            tiles.accumulate(_shifted_sums, ops.logaddexp, nothing, own, others)
        )

        def gradient(*upstream):
            factors = ops.where(outputs > lowest / 2, upstream[-1], 0.0)
            return _accumulated_products(
                tiles,
                _shifted_products,
                ops.concatenate([factors, outputs], axis=1),
                own,
                others,
                contrasts.of_rest,
            )

        return outputs, gradient

    return compute


def _shifted_sums(rows, columns, diagonal):
    """What a tile adds to the log-sum-exps of its rows and of its columns."""
    (z_i, real_i, *group_i), (z_j, real_j, *group_j) = rows, columns
    similarities = ops.matmul(z_i, ops.transpose(z_j))
    lowest = _lowest(z_i)

    def of_parts(mask, axis):
        values = ops.where(mask, similarities, lowest)
        groups = _or_none(group_i, group_j)
        return [
            ops.logsumexp(part, axis=axis, keepdims=True)
            for part in parts(values, lowest, *groups, diagonal)
        ]

    def for_columns():
        return _side_by_side(
            ops.transpose(part) for part in of_parts(real_i > 0, 0)
        )

    return _side_by_side(of_parts(real_j[None, :, 0] > 0, 1)), for_columns


def _shifted_products(rows, columns, diagonal):
    """What a tile adds to the gradients of its rows and of its columns.

    The factors f are c and the log-sum-exps, side by side.
    """
    (f_i, z_i, _, *group_i), (f_j, z_j, _, *group_j) = rows, columns
    similarities = ops.matmul(z_i, ops.transpose(z_j))
    width = f_i.shape[1] // 2

    # The minimum cuts off padding and vectors without others, which would give
    # more than 1.
    def softmax(part, log_sum_exp):
        return ops.exp(ops.minimum(part - log_sum_exp, 0.0))

    groups = _or_none(group_i, group_j)
    weights = sum(
        f_i[:, p, None] * softmax(part, f_i[:, width + p, None])
        + f_j[None, :, p] * softmax(part, f_j[None, :, width + p])
        for p, part in enumerate(
            parts(similarities, _lowest(z_i), *groups, diagonal)
        )
    )
    return _weighted(weights, z_i, z_j)


def _lowest(vectors):
    """A finite number far below every similarity."""
    dtype = keras.backend.standardize_dtype(vectors.dtype)
    return -1e300 if dtype == "float64" else -1e38


def _cut(tiles, groups, rest, vectors):
    """Cuts the vectors, a column of ones and the groups, if any, into blocks.

    Returns a tuple of blocks for the own vectors, and one for the rest or None.
    The column tells what counts: it is 0 for padding and unfilled rows.
    """
    own = [vectors, ops.ones_like(vectors[:, :1])]
    others = None
    if groups is not None:
        own.append(groups[:, None])
    if rest is not None:
        rest_vectors, rest_groups, is_real = rest
        is_real = is_real[:, None]
        others = [rest_vectors * is_real, is_real]
        if groups is not None:
            others.append(rest_groups[:, None])
        others = tuple(tiles.rest.cut(x) for x in others)
    return tuple(tiles.own.cut(x) for x in own), others


def _accumulated_products(tiles, products, factors, own, others, of_rest):
    """Sums `products` over all tiles, with the factors of rows and columns."""
    if others is not None:
        others = (tiles.rest.cut(of_rest(factors)), *others)
    own = (tiles.own.cut(factors), *own)
    zeros = ops.zeros_like(own[1])
    return tiles.own.join(
        tiles.accumulate(products, operator.add, zeros, own, others)
    )


def _weighted(weights, rows, columns):
    """The weighted sums of vectors, for the rows and for the columns."""
    # It is cheaper to transpose the small factors than the tile.
    return (
        ops.matmul(weights, columns),
        lambda: ops.transpose(ops.matmul(ops.transpose(rows), weights)),
    )


def _or_none(*blocks):
    """The groups of rows and columns, or None where there are none."""
    return [block[0] if block else None for block in blocks]


def _side_by_side(columns):
    columns = list(columns)
    return columns[0] if len(columns) == 1 else ops.concatenate(columns, axis=1)
