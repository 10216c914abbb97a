"""The equation that the losses of the family share, for each anchor."""

import math

from keras import ops

from supcon_tf.losses.pairs.dense import lowest
from supcon_tf.losses.pairs.sums import sums_and_curve, sums_over_pairs
from supcon_tf.losses.pairs.terms import Curve, Exps, Products, Weights

_W = Weights("positive")
_PRODUCTS = Products("positive")
_LSE = Exps("positive")
_COUNT = Weights("is_positive")


def losses_of_anchors(
    contrasts,
    kinds,
    *,
    summation="outside",
    denominator="all",
    positives_mean="weights",
    margin=0.0,
    hardness=0.0,
    class_prior=0.0,
    focus=0.0,
    in_tiles,
):
    """The loss of each anchor, from weights of its pairs.

    With similarities s_ij over the temperature, weights w_ij of the positives,
    v_ij of the contrasts and u_ij = 1 - w_ij of the negatives,

        loss_i = 1/n_i sum_j w_ij (log D_ij - s_ij)           sum outside
        loss_i = -log(1/n_i sum_j w_ij exp(s_ij) / D_ij)      sum inside

        D_ij = sum_k v_ik exp(s_ik)            "all"
             = exp(s_ij - margin) + R_i        "one_positive"
             = R_i                             "only_negatives"
        R_i  = sum_k u_ik v_ik exp(s_ik)

    R_i may count hard negatives more, and be corrected for negatives that are
    of the anchor's class (`_log_negatives`). The extra negatives of an anchor
    are added to the sum over k, each with the weight 1.

    Args:
      contrasts: `Contrasts`.
      kinds: `Kinds` with `"positive"` w and, for a denominator that needs it,
        `"negative"` u v. The kind that it names in `contrasts` is v; without a
        name v is 1.
      summation: `"outside"` or `"inside"`.
      denominator: as above.
      positives_mean: what n_i is. `"weights"` is sum_j w_ij, `"count"` the
        number of positive weights (the kind `"is_positive"`), `"contrasts"` the
        number of contrasts, and `"one"` is 1.
      margin: float, for `"one_positive"`.
      hardness: float >= 0, for `"one_positive"` and `"only_negatives"`.
      class_prior: float in [0, 1), likewise.
      focus: float, 0 or >= 1, for `"all"` outside. A pair of the probability
        p_ij = exp(s_ij) / D_ij counts (1 - p_ij)^focus.
      in_tiles: whether the similarities are computed in tiles.

    Returns:
      `[M]` floats. An anchor without positives, or without anything in the
      denominator, has the loss 0.
    """
    if in_tiles and contrasts.stride > 1:
        # Tiles compute all own rows; the other anchors are dropped at the end.
        options = dict(locals(), contrasts=contrasts.with_all_anchors())
        return losses_of_anchors(**options)[:: contrasts.stride]
    is_outside, is_one = summation == "outside", denominator == "one_positive"
    known = {} if kinds.known is None else kinds.known(contrasts)
    curve = _curve(summation, denominator, margin, focus)
    needed = _needed_terms(
        kinds,
        curve,
        summation=summation,
        denominator=denominator,
        positives_mean=positives_mean,
        hardness=hardness,
        class_prior=class_prior,
    )
    terms = [term for term in needed if term not in known]

    def all_sums(values):
        return known | dict(zip(terms, values, strict=True))

    def log_denominators(sums):
        if denominator == "all":
            return contrasts.with_extra(sums[Exps(kinds.contrasts)])
        return contrasts.with_extra(
            _log_negatives(sums, contrasts, hardness, class_prior)
        )

    def offsets_of(values):
        sums = all_sums(values)
        offsets = log_denominators(sums)
        return offsets, _shifts(sums, offsets, summation, margin)

    if curve is None:
        values = sums_over_pairs(contrasts, terms, kinds, in_tiles=in_tiles)
    else:
        values, of_curve = sums_and_curve(
            contrasts, terms, kinds, curve, offsets_of, in_tiles=in_tiles
        )
    sums = all_sums(values)
    counts = _counts(sums, contrasts, positives_mean)
    is_valid = ops.logical_and(sums[_W] > 0, counts > 0)
    counts = ops.where(is_valid, counts, 1.0)
    log_sums = log_denominators(sums)
    if not is_one:
        has_any = log_sums > lowest(sums[_W].dtype) / 2
        is_valid = ops.logical_and(is_valid, has_any)
        log_sums = ops.where(has_any, log_sums, 0.0)
    if curve is not None and is_outside:
        losses = of_curve / counts
    elif is_one:
        _, shifts = offsets_of(values)
        ratios = ops.where(is_valid, of_curve / counts, 1.0)
        losses = -margin - shifts - ops.log(ratios)
    elif is_outside:
        losses = (sums[_W] * log_sums - sums[_PRODUCTS]) / counts
    else:
        losses = log_sums - (sums[_LSE] - ops.log(counts))
    return ops.where(is_valid, losses, ops.zeros_like(losses))


def _curve(summation, denominator, margin, focus):
    """The `Curve` that is summed over the positives, or None."""
    if denominator == "one_positive":
        return (_softplus if summation == "outside" else _ratio)(margin)
    return _focal(focus) if focus else None


def _needed_terms(
    kinds,
    curve,
    *,
    summation,
    denominator,
    positives_mean,
    hardness,
    class_prior,
):
    """The terms that the losses are made of."""
    needed = [_W, _COUNT] if positives_mean == "count" else [_W]
    if denominator == "all":
        needed.append(Exps(kinds.contrasts))
    else:
        needed += _terms_of_negatives(hardness, class_prior)
    if summation == "inside":
        needed.append(_LSE)
    elif curve is None:
        needed.append(_PRODUCTS)
    return dict.fromkeys(needed)


def _shifts(sums, offsets, summation, margin):
    """The constants that keep a sum of ratios from underflow, `[M]`."""
    if summation == "outside":
        return ops.zeros_like(offsets)
    shifts = _log_sigmoid(sums[_LSE] - offsets - margin)
    return ops.stop_gradient(ops.where(sums[_W] > 0, shifts, 0.0))


def _counts(sums, contrasts, positives_mean):
    """The divisors n_i of the weighted sums over the positives, `[M]`."""
    ones = ops.ones_like(sums[_W])
    return {
        "weights": sums[_W],
        "count": sums.get(_COUNT),
        "contrasts": ones * (ops.sum(contrasts.counted) - 1),
        "one": ones,
    }[positives_mean]


def _terms_of_negatives(hardness, class_prior):
    """The terms that `_log_negatives` needs."""
    terms = [Exps("negative", 1.0 + hardness)]
    if hardness:
        terms.append(Exps("negative", hardness))
    if hardness or class_prior:
        terms.append(Weights("is_negative"))
    if class_prior:
        terms.append(_LSE)
    return terms


def _log_negatives(sums, contrasts, hardness, class_prior):
    """The log of R_i, `[M]`; very low where an anchor has no negatives.

    With a hardness h the negatives are weighted by exp(h s_ik), whose mean is
    1; M_i = sum_k u_ik is their number (Robinson et al. 2021, Eq. 4):

        R_i = M_i sum_k u_ik exp((1 + h) s_ik) / sum_k u_ik exp(h s_ik)

    With a class prior p, a share p of them is expected to be of the anchor's
    class, like its positives, whose mean is E_i; R_i is then at least M_i times
    the exponential of the lowest similarity (Chuang et al. 2020, Eq. 8):

        R_i <- (R_i - p M_i E_i) / (1 - p)
    """
    log_sums = sums[Exps("negative", 1.0 + hardness)]
    if not hardness and not class_prior:
        return log_sums
    number = sums[Weights("is_negative")]  # M_i
    has_any = number > 0
    log_number = ops.log(ops.where(has_any, number, 1.0))
    if hardness:
        log_sums = log_sums - sums[Exps("negative", hardness)] + log_number
    if class_prior:
        total = ops.where(sums[_W] > 0, sums[_W], 1.0)
        of_class = ops.log(class_prior / total) + log_number
        of_class += sums[_LSE]
        least = log_number - contrasts.largest_similarities
        # Where nothing is left there is no logarithm.
        gap = of_class - log_sums
        is_left = gap < -1e-30
        gap = ops.where(is_left, gap, -1.0)
        log_sums = log_sums + ops.log(-ops.expm1(gap) / (1 - class_prior))
        log_sums = ops.where(is_left, ops.maximum(log_sums, least), least)
    return ops.where(has_any, log_sums, lowest(log_sums.dtype))


def _softplus(margin):
    """The curve log(exp(s - m) + R) - s of x = s - log R."""

    def of_exps(exps, x, _):
        ratios = math.exp(margin) / exps
        return ops.log1p(ratios) - margin, ratios / (-1 - ratios)

    return Curve(
        lambda x, _: ops.softplus(margin - x) - margin,
        lambda x, _: -ops.sigmoid(margin - x),
        of_exps,
    )


def _ratio(margin):
    """The curve sigmoid(x - m) / exp(shift) of x = s - log R."""

    def value(x, shifts):
        # Pairs that are no positives may be above the shift. The minimum keeps
        # them finite until their weight removes them.
        logs = _log_sigmoid(x - margin) - shifts
        return ops.exp(ops.minimum(logs, 30.0))

    def slope(x, shifts):
        return value(x, shifts) * ops.sigmoid(margin - x)

    def of_exps(exps, x, shifts):
        shares = 1 / (1 + math.exp(margin) / exps)
        values = shares * ops.exp(-shifts)
        return values, values * (1 - shares)

    return Curve(value, slope, of_exps)


def _focal(focus):
    """The curve -(1 - p)^focus log p of x = log p."""

    def of_exps(exps, x, _):
        others = ops.maximum(1 - exps, 0.0)
        powers = others ** (focus - 1)
        return -powers * others * x, powers * (focus * exps * x - others)

    def both(x, shifts):
        return of_exps(ops.exp(ops.minimum(x, 0.0)), x, shifts)

    return Curve(
        lambda x, shifts: both(x, shifts)[0],
        lambda x, shifts: both(x, shifts)[1],
        of_exps,
    )


def _log_sigmoid(x):
    return -ops.softplus(-x)
