"""Log-sum-exps over all pairs, without an array of all pairs.

The N x N similarities s_ij = z_i.z_j are cut into square tiles, of which no
more than a few are in memory at a time, forward and backward: the gradient is
in closed form and computes the tiles again. With upstream gradients c_i,

    lse_i = log(sum_{j != i} exp(s_ij))
    dz_i = sum_{j != i} (c_i exp(s_ij - lse_i) + c_j exp(s_ij - lse_j)) z_j

The similarities are symmetric, and so are these weights: a tile off the
diagonal serves its rows and its columns, which halves the work of both passes.
"""

import operator

import keras
from keras import ops

from supcon_tf.tiles import Tiles

# Exponentials of similarities up to this size are summed as they are, in
# float32 without overflow (exp(40) = 2e17) or loss (exp(-40) = 4e-18).
LARGEST_BOUND = 40.0


def log_sum_exps(vectors, groups=None, *, bound=None, tile_size=None):
    """Log-sum-exp of the products of each vector with all others.

    Args:
      vectors: `[N, D]` floats.
      groups: None, or `[N]` int32: the log-sum-exp over the others of the same
        group is then computed as well.
      bound: float that no product exceeds in size, or None if there is none.
        Above 40 and with None each tile is shifted by the maxima of its rows
        and columns, which takes up to twice the time.
      tile_size: positive int, rows of a tile; None is `tiles.TILE_SIZE`.

    Returns:
      `[N, 1]` floats; with groups `[N, 2]`. Where a vector has no others, a
      finite number without meaning.
    """
    tiles = Tiles(ops.shape(vectors)[0], groups, tile_size)
    if bound is not None and bound <= LARGEST_BOUND:
        return _log_of_sums(tiles)(vectors)
    return _shifted_log_sum_exp(tiles)(vectors)


def _log_of_sums(tiles):
    """The log-sum-exp as it stands, with one exponential for each pair."""

    @ops.custom_gradient
    def compute(vectors):
        z = tiles.cut(vectors)
        is_real = tiles.cut(ops.ones_like(vectors[:, :1]))

        def sums(i, j, diagonal):
            exps = ops.exp(ops.matmul(z[i], ops.transpose(z[j])))
            parts = tiles.parts(exps, 0.0, i, j, diagonal)
            return (
                _side_by_side(ops.matmul(part, is_real[j]) for part in parts),
                _side_by_side(
                    ops.transpose(ops.matmul(ops.transpose(is_real[i]), part))
                    for part in parts
                ),
            )

        zeros = tiles.filled(0.0, tiles.num_parts, z.dtype)
        totals = tiles.join(tiles.accumulate(sums, operator.add, zeros))
        is_empty = totals == 0
        totals = ops.where(is_empty, ops.ones_like(totals), totals)

        def gradient(*upstream):
            factors = tiles.cut(
                ops.where(
                    is_empty, ops.zeros_like(totals), upstream[-1] / totals
                )
            )

            def products(i, j, diagonal):
                exps = ops.exp(ops.matmul(z[i], ops.transpose(z[j])))
                weights = sum(
                    part * (factors[i][:, p, None] + factors[j][None, :, p])
                    for p, part in enumerate(
                        tiles.parts(exps, 0.0, i, j, diagonal)
                    )
                )
                return _weighted(weights, z[i], z[j])

            zeros = ops.zeros_like(z)
            return tiles.join(tiles.accumulate(products, operator.add, zeros))

        return ops.log(totals), gradient

    return compute


def _shifted_log_sum_exp(tiles):
    """The log-sum-exp of any finite similarities."""

    @ops.custom_gradient
    def compute(vectors):
        z = tiles.cut(vectors)
        is_real = tiles.cut(ops.ones_like(vectors[:, :1])) > 0
        dtype = keras.backend.standardize_dtype(vectors.dtype)
        lowest = -1e300 if dtype == "float64" else -1e38

        def log_sum_exps(i, j, diagonal):
            similarities = ops.matmul(z[i], ops.transpose(z[j]))
            rows = ops.where(is_real[j][None, :, 0], similarities, lowest)
            columns = ops.where(is_real[i], similarities, lowest)
            return (
                _side_by_side(
                    ops.logsumexp(part, axis=1, keepdims=True)
                    for part in tiles.parts(rows, lowest, i, j, diagonal)
                ),
                _side_by_side(
                    ops.transpose(ops.logsumexp(part, axis=0, keepdims=True))
                    for part in tiles.parts(columns, lowest, i, j, diagonal)
                ),
            )

        blocks = tiles.accumulate(
            log_sum_exps,
            ops.logaddexp,
            tiles.filled(lowest, tiles.num_parts, dtype),
        )
        outputs = tiles.join(blocks)

        def gradient(*upstream):
            factors = ops.where(outputs > lowest / 2, upstream[-1], 0.0)
            factors = tiles.cut(factors)

            def products(i, j, diagonal):
                similarities = ops.matmul(z[i], ops.transpose(z[j]))

                # (Padding and what has no others would be above 1: cut off.)
                def softmax(part, log_sum_exp):
                    return ops.exp(ops.minimum(part - log_sum_exp, 0.0))

                weights = sum(
                    factors[i][:, p, None]
                    * softmax(part, blocks[i][:, p, None])
                    + factors[j][None, :, p]
                    * softmax(part, blocks[j][None, :, p])
                    for p, part in enumerate(
                        tiles.parts(similarities, lowest, i, j, diagonal)
                    )
                )
                return _weighted(weights, z[i], z[j])

            zeros = ops.zeros_like(z)
            return tiles.join(tiles.accumulate(products, operator.add, zeros))

        return outputs, gradient

    return compute


def _weighted(weights, rows, columns):
    """Sums of the columns' vectors for the rows, and of the rows' for them."""
    return (
        ops.matmul(weights, columns),
        # (The small factors are transposed, not the tile.)
        ops.transpose(ops.matmul(ops.transpose(rows), weights)),
    )


def _side_by_side(columns):
    columns = list(columns)
    return columns[0] if len(columns) == 1 else ops.concatenate(columns, axis=1)
