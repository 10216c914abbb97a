"""Log-sum-exps over pairs: the entry point for both implementations."""

from keras import ops

from supcon_tf.losses.pairs import dense, tiled


def log_sum_exps(contrasts, *, with_positives=False, in_tiles):
    """The log-sum-exp of the similarities of each anchor to its contrasts.

    Args:
      contrasts: `Contrasts`.
      with_positives: whether the log-sum-exp over the positives of the anchor
        is computed as well.
      in_tiles: whether the similarities are computed in tiles.

    Returns:
      `[M, 1]` floats, or `[M, 2]` with positives. Where there is nothing to sum
      it is a finite number without meaning.
    """
    if not in_tiles:
        return dense.log_sum_exps(contrasts, with_positives=with_positives)
    sums = tiled.log_sum_exps(contrasts, with_positives=with_positives)
    return sums[:: contrasts.stride]


def are_tiles_better(contrasts):
    """Whether tiles are faster, or save so much memory that they are preferred.

    The limits were measured on two CPU cores, compiled (benchmarks/loss.py).
    With the anchors "first", dense has fewer rows, while tiles compute all of
    them: dense stays about a fifth faster, and is given up for the memory.
    Tiles that are shifted are faster from 4096 contrasts on.
    """
    num_contrasts = ops.shape(contrasts.vectors)[0]
    if not isinstance(num_contrasts, int):
        return True
    if contrasts.stride > 1:
        return num_contrasts >= 8192
    if contrasts.bound is None or contrasts.bound > tiled.LARGEST_BOUND:
        return num_contrasts >= 4096
    return True
