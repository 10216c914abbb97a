"""Sums over the pairs of each anchor: the door to both implementations."""

from keras import ops

from supcon_tf.frameworks.backends import backend
from supcon_tf.losses.pairs import dense, tiled
from supcon_tf.losses.pairs.terms import ALL_PAIRS


def sums_over_pairs(contrasts, terms, kinds=ALL_PAIRS, *, in_tiles):
    """The terms of each anchor, summed over all its contrasts.

    Args:
      contrasts: `Contrasts`.
      terms: list of `Exps`, `Products` and `Weights`.
      kinds: `Kinds`, which define the names in the terms.
      in_tiles: whether the similarities are computed in tiles.

    Returns:
      List of `[M]` floats, one for each term. A log-sum-exp is a very low
      finite number where an anchor has no pairs.
    """
    if in_tiles:
        sums = tiled.sums_over_pairs(contrasts, terms, kinds)
        sums = sums[:: contrasts.stride]
    else:
        sums = dense.sums_over_pairs(contrasts, terms, kinds)
    return ops.unstack(sums, len(terms), axis=1)


def sums_and_curve(contrasts, terms, kinds, curve, offsets_of, *, in_tiles):
    """The terms, and the sum of a curve over the positives of each anchor.

    The sum is sum_j w_ij curve(s_ij - offset_i), with the weights w of the kind
    `"positive"`. The offsets are computed from the terms.

    Args:
      contrasts: `Contrasts`; in tiles, one whose own rows are all anchors.
      terms: as for `sums_over_pairs`.
      kinds: `Kinds` that include `"positive"`.
      curve: `Curve`.
      offsets_of: function of the list of the terms, each of the same shape,
        that returns the offsets and the constant shifts of the curve, both of
        that shape.
      in_tiles: whether the similarities are computed in tiles.

    Returns:
      As `sums_over_pairs`, and the sums of the curve, `[M]`.
    """
    number = len(terms)

    def of_columns(sums):
        return offsets_of(ops.unstack(sums, number, axis=1))

    implementation = tiled if in_tiles else dense
    sums, of_curve = implementation.sums_and_curve(
        contrasts, terms, kinds, curve, of_columns
    )
    return ops.unstack(sums, number, axis=1), of_curve


def are_tiles_better(contrasts):
    """Whether tiles are faster, or save so much memory that they are preferred.

    The limits were measured on two CPU cores, compiled (benchmarks/loss.py).
    With the anchors "first", dense has fewer rows, while tiles compute all of
    them: dense stays about a fifth faster, and is given up for the memory.
    Tiles that are shifted are faster from 4096 contrasts on. PyTorch compiles
    nothing: there tiles took up to three times the time of dense at 4096
    contrasts, and the same at 8192.
    """
    num_contrasts = ops.shape(contrasts.vectors)[0]
    if not isinstance(num_contrasts, int):
        return True
    if contrasts.stride > 1 or backend() == "torch":
        return num_contrasts >= 8192
    if contrasts.bound is None or contrasts.bound > tiled.LARGEST_BOUND:
        return num_contrasts >= 4096
    return True
