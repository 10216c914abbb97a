"""Eq. 2 and 3 with positives by class: no matrix says what positives are."""

from keras import ops

from supcon_tf.losses.pairs import dense, tiled


def losses_by_class(contrasts, step, *, summation, is_tiled, bound):
    """The loss of each anchor.

    Args:
      contrasts: `Contrasts`; every `step`-th of the own is an anchor.
      step: positive int.
      summation: as for `supcon_loss`; `"inside"` takes tiles.
      is_tiled: whether the similarities are computed in tiles.
      bound: as for `tiled.log_sum_exps`.

    Returns:
      `[M]` floats, 0 for anchors without positives.
    """
    size = ops.shape(contrasts.vectors)[0]
    own_size = ops.shape(contrasts.own)[0]
    classes = contrasts.classes[:own_size]
    ones = ops.ones_like(contrasts.vectors[:, 0])
    if contrasts.is_real is not None:
        ones = contrasts.is_real
    sizes = ops.segment_sum(ones, contrasts.classes, size)
    positives = ops.take(sizes, classes[::step]) - 1  # [M], how many
    counts = ops.maximum(positives, 1)
    if is_tiled:
        log_sums = tiled.log_sum_exps(
            contrasts.own,
            classes if summation == "inside" else None,
            rest=contrasts.rest,
            of_rest=contrasts.of_rest,
            bound=bound,
        )[::step]
        log_denominators = log_sums[:, 0]
    else:
        log_denominators = dense.log_denominators(
            contrasts.own[::step], contrasts.vectors, step, contrasts.is_real
        )
    if summation == "inside":
        losses = log_denominators - log_sums[:, 1] + ops.log(counts)
    else:
        similarities = _similarities_to_positives(contrasts)[::step]
        losses = log_denominators - similarities / counts
    return ops.where(positives > 0, losses, ops.zeros_like(losses))


def _similarities_to_positives(contrasts):
    """`[n]`: the sum of an own projection's similarities to its positives.

    That is z_i.(S - z_i), S the sum of its class over all contrasts. Of other
    replicas the gradient needs one number an anchor, c_j, not their gradients:

        dz_i = c_i (S - z_i) + (sum_j c_j z_j - c_i z_i), j of the class
    """
    size = ops.shape(contrasts.vectors)[0]
    own_size = ops.shape(contrasts.own)[0]
    own_classes = contrasts.classes[:own_size]
    vectors = ops.stop_gradient(contrasts.vectors)
    is_all_own = contrasts.rest is None

    def of_class(values):
        sums = ops.segment_sum(values, contrasts.classes, size)
        return ops.take(sums, own_classes, axis=0)  # [n, D]

    @ops.custom_gradient
    def compute(own):
        others = of_class(vectors) - own

        def gradient(*upstream):
            factors = upstream[-1][:, None]
            of_all = factors
            if not is_all_own:
                of_all = ops.concatenate([factors, contrasts.of_rest(factors)])
            return factors * (others - own) + of_class(of_all * vectors)

        return ops.sum(own * others, axis=1), gradient

    return compute(contrasts.own)
