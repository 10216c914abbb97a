"""Log-sum-exps over pairs: the one door to them, dense or in tiles."""

from keras import ops

from supcon_tf.losses.pairs import dense, tiled


def log_sum_exps(contrasts, *, with_positives=False, in_tiles):
    """Log-sum-exp of the similarities of each anchor to its contrasts.

    Args:
      contrasts: `Contrasts`.
      with_positives: whether that over the anchor's positives is given as well.
      in_tiles: whether the similarities are computed in tiles.

    Returns:
      `[M, 1]` floats; with positives `[M, 2]`. A finite number without meaning
      where there is nothing to sum.
    """
    if not in_tiles:
        return dense.log_sum_exps(contrasts, with_positives=with_positives)
    sums = tiled.log_sum_exps(contrasts, with_positives=with_positives)
    return sums[:: contrasts.stride]


def are_tiles_better(contrasts):
    """Whether tiles are faster, or so much smaller that it counts more.

    Measured on two CPU cores, compiled (benchmarks/loss.py). Dense, the anchors
    "first" are fewer rows, while tiles compute all: dense stays about a fifth
    faster, and gives way for the memory. Shifted tiles are faster from 4096 on.
    """
    num_contrasts = ops.shape(contrasts.vectors)[0]
    if not isinstance(num_contrasts, int):
        return True
    if contrasts.stride > 1:
        return num_contrasts >= 8192
    if contrasts.bound is None or contrasts.bound > tiled.LARGEST_BOUND:
        return num_contrasts >= 4096
    return True
