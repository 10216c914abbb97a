"""Sums over all pairs of each anchor, without an array of all pairs.

The N x N similarities s_ij = z_i.z_j are cut into square tiles. Only a few
tiles are in memory at a time, both forward and backward. The gradient is in
closed form and computes the tiles again. With upstream gradients c_i and
weights k_ij of the pairs,

    lse_i = log(sum_{j != i} k_ij exp(q s_ij))
    G_ij = c_i q k_ij exp(q s_ij - lse_i)
    dz_i = sum_{j != i} (G_ij + G_ji) z_j

The similarities are symmetric, and so are most weights. A tile off the diagonal
therefore serves its rows and its columns, which halves the work of both passes.

Where the classes decide which pairs count, the rows are sorted by class. Most
tiles then hold no two rows of one class: nothing in them is a positive, and
everything a negative. They need no mask, and no curve of the positives.

A replica computes only the rows of its own z_i, in the backward pass as well.
For the other replicas' z_j it needs c_j and lse_j, which are N numbers, and not
the sum over replicas of N x D gradients.
"""

import dataclasses
import functools

import numpy as np
from keras import ops

from supcon_tf.frameworks.backends import custom_gradient
from supcon_tf.losses.pairs.contrast_blocks import ContrastBlocks
from supcon_tf.losses.pairs.dense import lowest
from supcon_tf.losses.pairs.terms import (
    ALL_PAIRS,
    Exps,
    Products,
    Weights,
    is_mask,
)

# Similarities up to this size are exponentiated without a shift. float32 sums
# them without overflow (exp(40) = 2e17) or loss (exp(-40) = 4e-18).
LARGEST_BOUND = 40.0
# With similarities up to this size a curve is computed from exponentials that
# all anchors share. float32 holds exp(2 * 25 + 30), which is 5e34.
LARGEST_BOUND_OF_CURVES = 25.0


def sums_over_pairs(contrasts, terms, kinds=ALL_PAIRS, *, tile_size=None):
    """The terms of each own vector, summed over all other contrasts.

    If the similarities have no bound, or one above 40, each tile is shifted by
    the maxima of its rows and columns, which takes up to twice the time.

    Args:
      contrasts: `Contrasts`. Every own vector counts as an anchor.
      terms: list of `Exps`, `Products` and `Weights`.
      kinds: `Kinds`, which define the names in the terms.
      tile_size: positive int, rows of a tile; None is `tiles.TILE_SIZE`.

    Returns:
      `[n, T]` floats, one column for each term. A log-sum-exp is a very low
      finite number where a vector has no pairs.
    """
    if all(isinstance(term, Weights) for term in terms):
        # They depend on no vector. JAX would ask for a gradient nevertheless.
        own = ops.stop_gradient(contrasts.own)
        contrasts = dataclasses.replace(contrasts, own=own, scales=None)
    return _Passes(contrasts, terms, kinds, tile_size).sums()


def sums_and_curve(
    contrasts, terms, kinds, curve, offsets_of, *, tile_size=None
):
    """The terms, and the sum of a curve over the positives, weighted.

    The curve is a function of s_ij - offset_i. Its offsets are computed from
    the terms, so that there are two passes forward, but only one back.

    Args:
      contrasts: as for `sums_over_pairs`.
      terms: as for `sums_over_pairs`.
      kinds: `Kinds` that include `"positive"`.
      curve: `Curve`.
      offsets_of: function of the terms `[n, T]` that returns the offsets and
        the constant shifts of the curve, both `[n]`.
      tile_size: as for `sums_over_pairs`.

    Returns:
      The terms `[n, T]`, and the sums of the curve `[n]`.
    """
    passes = _Passes(contrasts, terms, kinds, tile_size, curve)
    sums = passes.sums()
    sums, messages = sums[:, : len(terms)], sums[:, len(terms) :]
    offsets, shifts = offsets_of(sums)
    return sums, passes.curve_sums(offsets, shifts, messages)


class _Passes:
    """The passes over all tiles, forward and back.

    With a curve the gradient of its sums is not computed in a pass of its own.
    The sums of the terms then have three more columns, all 0, which are given
    to `curve_sums`. Its gradient by them is no derivative, but a message to the
    gradient of the terms: the upstream gradient, the offsets and the shifts of
    the curve. All tiles are thus computed only once.
    """

    def __init__(self, contrasts, terms, kinds, tile_size, curve=None):
        is_grouped = kinds.group is not None and (
            curve is not None or any(term.kind is not None for term in terms)
        )
        self._blocks = ContrastBlocks(contrasts, kinds, tile_size, is_grouped)
        self._kinds = kinds
        self._curve = curve
        self._width = len(terms)
        self._dtype = contrasts.own.dtype
        exponents = [abs(t.power) for t in terms if isinstance(t, Exps)]
        largest = max(exponents, default=0)
        bound = contrasts.bound
        if bound is not None and bound * largest <= LARGEST_BOUND:
            self._way = _Unshifted(terms)
        else:
            self._way = _Shifted(terms, self._dtype)
        self._bound = None
        if bound is not None and bound <= LARGEST_BOUND_OF_CURVES:
            self._bound = bound

    def sums(self):
        """The terms `[n, T]`, with three more columns for the messages."""
        blocks, way = self._blocks, self._way

        def forward(tile):
            return way.sums(tile, axis=1), lambda: way.sums(tile, axis=0)

        @custom_gradient
        def compute(*trained):
            own, rest = blocks.cut(trained)
            start = blocks.tiles.own.filled(0.0, self._width, self._dtype)
            totals = blocks.accumulate(
                forward, way.combined, start + way.start, own, rest
            )

            def gradient(upstream):
                of_terms = upstream[:, : self._width]
                anchors = [way.of_anchors(of_terms, totals)]
                if self._curve is not None:
                    anchors.append(upstream[:, self._width :])
                return blocks.gradients(
                    self._backward, _side_by_side(anchors), own, rest
                )

            sums = way.finished(totals)
            if self._curve is not None:
                sums = ops.pad(sums, [[0, 0], [0, 3]])
            return sums, gradient

        return compute(*blocks.trained)

    def curve_sums(self, offsets, shifts, messages):
        """The sums of the curve, `[n]`; `messages` are `[n, 3]`."""
        blocks = self._blocks
        shifts = ops.stop_gradient(shifts)[:, None]
        # JAX lets a custom gradient close over constants alone.
        vectors = [ops.stop_gradient(x) for x in blocks.trained]

        def forward(tile):
            def sums(axis):
                if not tile.has("positive"):
                    return ops.repeat(tile.zeros(axis), 2, axis=1)
                return _side_by_side(
                    tile.sum(tile.counted(values, axis, "positive"), axis)
                    for values in self._values_and_slopes(tile, axis, 0, 1)
                )

            return sums(1), lambda: sums(0)

        @custom_gradient
        def compute(offsets, messages):
            offsets = offsets[:, None]
            anchors = _side_by_side([offsets, shifts])
            own, rest = blocks.cut(vectors, anchors)
            start = blocks.tiles.own.filled(0.0, 2, self._dtype)
            totals = blocks.accumulate(forward, ops.add, start, own, rest)

            def gradient(upstream):
                given = -upstream * totals[:, 1]
                return given, _side_by_side([upstream[:, None], anchors])

            return totals[:, 0], gradient

        return compute(offsets, messages)

    def _backward(self, tile):
        """Returns the gradient of the vectors of a tile's rows and columns."""
        slopes = self._way.slopes(tile)
        if self._curve is not None and tile.has("positive"):
            first = tile.rows["anchors"].shape[1] - 3

            def of_curve(axis):
                _, slopes = self._values_and_slopes(
                    tile, axis, first + 1, first + 2
                )
                return slopes * tile.anchors(axis, first)

            of_rows, of_columns = slopes
            if of_columns is None:
                given = of_curve(1) + of_curve(0)
                slopes = of_rows + tile.counted(given, 1, "positive"), None
            else:
                slopes = (
                    of_rows + tile.counted(of_curve(1), 1, "positive"),
                    of_columns + tile.counted(of_curve(0), 0, "positive"),
                )
        return _for_vectors(tile, *slopes)

    def _values_and_slopes(self, tile, axis, offset, shift):
        """The curve and its derivative, each `[rows, columns]`.

        `offset` and `shift` are the numbers of their columns.
        """
        offsets = tile.anchors(axis, offset)
        shifts = tile.anchors(axis, shift)
        similarities = tile.similarities(axis)
        if self._bound is None:
            x = similarities - offsets
            return self._curve.value(x, shifts), self._curve.slope(x, shifts)
        # An anchor without negatives has a very low offset.
        offsets = ops.maximum(offsets, -self._bound - 30.0)
        return self._curve.of_exps(
            ops.exp(similarities) * ops.exp(-offsets),
            similarities - offsets,
            shifts,
        )


class _Unshifted:
    """Sums exponentials as they are, with one exponential for each pair."""

    start = 0.0

    def __init__(self, terms):
        self._terms = terms
        self._is_exp = np.array([[isinstance(t, Exps) for t in terms]])
        self._powers = [[getattr(t, "power", 1.0) for t in terms]]

    def combined(self, totals, given):
        """The totals `[., T]` of two groups of tiles."""
        return totals + given

    def sums(self, tile, axis):
        """Returns a tile's summands of the totals of its anchors, `[., T]`."""
        exps = self._exps(tile, axis)

        def sum_of(term):
            if not tile.has(term.kind):
                return tile.zeros(axis)
            if isinstance(term, Exps):
                values = tile.counted(exps[term.power], axis, term.kind)
            else:
                values = _plain_part(tile, axis, term)
            return tile.sum(values, axis)

        return _side_by_side(map(sum_of, self._terms))

    def finished(self, totals):
        """The terms, from the totals over all tiles, `[n, T]`."""
        is_empty = totals == 0
        logs = ops.log(ops.where(is_empty, 1.0, totals))
        logs = ops.where(is_empty, lowest(totals.dtype), logs)
        return ops.where(self._is_exp, logs, totals)

    def of_anchors(self, upstream, totals):
        """Returns the anchors' numbers that the slopes need, `[n, T]`."""
        is_empty = totals == 0
        whole = ops.where(is_empty, 1.0, totals)
        powers = ops.convert_to_tensor(self._powers, upstream.dtype)
        of_exps = ops.where(is_empty, 0.0, powers * upstream / whole)
        return ops.where(self._is_exp, of_exps, upstream)

    def slopes(self, tile):
        """The derivatives by the similarities of rows, and of columns.

        For symmetric weights their sum is the first, and the second is None.
        """
        if tile.is_symmetric:
            return self._slopes(
                tile, 1, lambda t: tile.anchors(1, t) + tile.anchors(0, t)
            ), None
        return tuple(
            self._slopes(tile, axis, functools.partial(tile.anchors, axis))
            for axis in (1, 0)
        )

    def _slopes(self, tile, axis, factors):
        exps = self._exps(tile, axis)
        return sum(
            tile.counted(
                factors(t) * exps[term.power]
                if isinstance(term, Exps)
                else factors(t),
                axis,
                term.kind,
            )
            for t, term in enumerate(self._terms)
            if tile.has(term.kind) and not isinstance(term, Weights)
        )

    def _exps(self, tile, axis):
        """Dict from a power to the exponentials, `[rows, columns]`."""
        similarities = tile.similarities(axis)
        exps = {1.0: ops.exp(similarities)}
        powers = {t.power for t in self._terms if isinstance(t, Exps)}
        for power in sorted(powers - {1.0}):
            if power - 1 in exps:
                # A product takes a third of the time of an exponential.
                exps[power] = exps[power - 1] * exps[1.0]
            else:
                exps[power] = ops.exp(_times(power, similarities))
        return exps


class _Shifted:
    """Sums exponentials of any finite similarities, as log-sum-exps."""

    def __init__(self, terms, dtype):
        self._terms = terms
        self._is_exp = np.array([[isinstance(t, Exps) for t in terms]])
        self._lowest = lowest(dtype)
        start = np.where(self._is_exp, self._lowest, 0.0)
        self.start = ops.convert_to_tensor(start, dtype)

    def combined(self, totals, given):
        """The totals `[., T]` of two groups of tiles."""
        logs = ops.logaddexp(totals, given)
        return ops.where(self._is_exp, logs, totals + given)

    def sums(self, tile, axis):
        """Returns a tile's summands of the totals of its anchors, `[., T]`."""

        def sum_of(term):
            is_exp = isinstance(term, Exps)
            if not tile.has(term.kind):
                return tile.zeros(axis) + (self._lowest if is_exp else 0.0)
            if is_exp:
                return self._log_sum_exp(tile, axis, term)
            return tile.sum(_plain_part(tile, axis, term), axis)

        return _side_by_side(map(sum_of, self._terms))

    def finished(self, totals):
        """The terms, which are the totals."""
        return totals

    def of_anchors(self, upstream, totals):
        """Returns the anchors' numbers that the slopes need, `[n, 2 T]`."""
        is_empty = ops.logical_and(self._is_exp, totals <= self._lowest / 2)
        factors = ops.where(is_empty, 0.0, upstream)
        return ops.concatenate([factors, totals], axis=1)

    def slopes(self, tile):
        """The derivatives by the similarities of rows, and of columns."""
        return tuple(
            sum(
                tile.anchors(axis, t) * self._slope(tile, axis, t, term)
                for t, term in enumerate(self._terms)
                if tile.has(term.kind) and not isinstance(term, Weights)
            )
            for axis in (1, 0)
        )

    def _log_sum_exp(self, tile, axis, term):
        exponents = self._exponents(tile, axis, term)
        exponents = ops.where(tile.is_real(axis), exponents, self._lowest)
        sums = ops.logsumexp(exponents, axis=axis, keepdims=True)
        return sums if axis == 1 else ops.transpose(sums)

    def _slope(self, tile, axis, t, term):
        if isinstance(term, Products):
            ones = ops.ones_like(tile.products)
            return tile.counted(ones, axis, term.kind)
        log_sum_exp = tile.anchors(axis, len(self._terms) + t)
        exponents = self._exponents(tile, axis, term) - log_sum_exp
        # The minimum cuts off padding and vectors without others, which would
        # give more than 1.
        return term.power * ops.exp(ops.minimum(exponents, 0.0))

    def _exponents(self, tile, axis, term):
        """Returns power * s + log(k); very low where the weight k is 0."""
        exponents = _times(term.power, tile.similarities(axis))
        weights = tile.weights(axis, term.kind)
        if weights is not None and not is_mask(weights):
            exponents += ops.log(ops.where(weights > 0, weights, 1.0))
            weights = weights > 0
        return tile.masked(exponents, weights, self._lowest)


def _plain_part(tile, axis, term):
    """Returns the summands of `Products` or `Weights`, `[rows, columns]`."""
    if isinstance(term, Products):
        return tile.counted(tile.similarities(axis), axis, term.kind)
    return tile.counted(ops.ones_like(tile.products), axis, term.kind)


def _times(power, similarities):
    return similarities if power == 1 else power * similarities


def _for_vectors(tile, slopes_of_rows, slopes_of_columns):
    """Returns the gradient of a tile's vectors by its slopes `[rows, columns]`.

    Returns the part of the rows `[rows, D]`, and a function for that of the
    columns. If there are scales, they have one more column, for these.
    """
    rows, columns = tile.rows["vectors"], tile.columns["vectors"]
    if "scales" not in tile.rows:
        slopes = slopes_of_rows
        if slopes_of_columns is not None:
            slopes = slopes_of_rows + slopes_of_columns
        # It is cheaper to transpose the small factors than the tile.
        return (
            ops.matmul(slopes, columns),
            lambda: ops.transpose(ops.matmul(ops.transpose(rows), slopes)),
        )
    slopes = slopes_of_rows * tile.scales(1)
    slopes += slopes_of_columns * tile.scales(0)

    def of_scales(slopes, axis):
        return ops.sum(slopes * tile.products, axis=axis)[:, None]

    return (
        _side_by_side(
            [ops.matmul(slopes, columns), of_scales(slopes_of_rows, 1)]
        ),
        lambda: _side_by_side(
            [
                ops.transpose(ops.matmul(ops.transpose(rows), slopes)),
                of_scales(slopes_of_columns, 0),
            ]
        ),
    )


def _side_by_side(columns):
    """Joins `[., W]` arrays to one with all their columns."""
    columns = list(columns)
    return columns[0] if len(columns) == 1 else ops.concatenate(columns, axis=1)
