"""Makes the weights of pairs as positives, negatives and contrasts."""

import functools

import keras
from keras import ops

from supcon_tf.losses.pairs.positives import (
    count_positives,
    of_groups,
    similarities_to_positives,
    weighted_similarities,
)
from supcon_tf.losses.pairs.terms import Kinds, Products, Weights
from supcon_tf.losses.pairs.tiles import may_meet


def by_class(contrasts, *, has_exact_sums=True):
    """`Kinds` of equal classes: `"positive"` and `"negative"`, bool.

    With `has_exact_sums` the similarities to the positives are computed from
    the sum of each class, which is exact if no vector is far longer than the
    others.
    """

    def weigh(rows, columns):
        same = rows["classes"] == ops.transpose(columns["classes"])
        other = ops.logical_not(same)
        return {"positive": same, "negative": other, "is_negative": other}

    def known(contrasts):
        number = count_positives(contrasts)
        others = ops.sum(contrasts.counted) - 1
        terms = {
            Weights("positive"): number,
            Weights("is_negative"): others - number,
        }
        if has_exact_sums:
            sums = similarities_to_positives(contrasts)
            terms[Products("positive")] = sums
        return terms

    return Kinds(
        {"classes": contrasts.classes[:, None]},
        weigh,
        known=known,
        group="classes",
        apart=lambda rows, columns: {
            "positive": False,
            "negative": True,
            "is_negative": True,
        },
    )


def by_similarity(contrasts, similarity, contrast_weights=None):
    """`Kinds` of weights that a similarity makes from `contrasts.features`.

    They are `"positive"` w, `"is_positive"`, `"negative"` (1 - w) v and
    `"is_negative"` 1 - w. With `contrast_weights` v, which is like a
    similarity, the weights of the contrasts are `"contrast"`.
    """
    dtype = contrasts.vectors.dtype
    labels = contrasts.features
    if "float" in keras.backend.standardize_dtype(labels.dtype):
        labels = ops.cast(labels, dtype)
    features = {"labels": labels, "images": contrasts.images}

    def weigh(rows, columns):
        labels = rows["labels"], columns["labels"]
        weights = ops.cast(similarity.tile(*labels), dtype)
        if getattr(similarity, "own_views_are_alike", True):
            weights = _with_own_views(rows, columns, weights)
        # What rounding left below 1 is no negative.
        negative = ops.where(weights > 1 - 1e-6, 0.0, 1 - weights)
        kinds = {
            "positive": weights,
            "is_positive": weights > 0,
            "negative": negative,
            "is_negative": negative,
        }
        if contrast_weights is not None:
            of_contrasts = ops.cast(contrast_weights.tile(*labels), dtype)
            kinds["contrast"] = of_contrasts
            kinds["negative"] = negative * of_contrasts
        return kinds

    known = None
    if hasattr(similarity, "sums"):
        known = functools.partial(_factorised_positives, similarity)
    return Kinds(
        features,
        weigh,
        contrasts=None if contrast_weights is None else "contrast",
        known=known,
    )


def _with_own_views(rows, columns, weights):
    """The weights `[r, c]`, with 1 for the views of an image."""

    def filled():
        is_own = rows["images"] == ops.transpose(columns["images"])
        return ops.where(is_own, 1.0, weights)

    # The views of an image are neighbours, so that most tiles have none.
    own_views = may_meet(rows["images"], columns["images"])
    return ops.cond(own_views, filled, lambda: weights)


def _factorised_positives(similarity, contrasts):
    """The weights and the weighted similarities, as dict of terms."""
    features, dtype = contrasts.features, contrasts.vectors.dtype
    size = ops.shape(contrasts.own)[0]
    number = ops.shape(contrasts.vectors)[0]
    images = contrasts.images[:, 0]
    own_weights = ops.cast(similarity.own_weights(features), dtype)
    own_weights = own_weights[:size]  # [n, 1]
    # What the views of an image have less than 1 with each other.
    missing = ops.zeros_like(own_weights)
    if similarity.own_views_are_alike:
        missing = 1 - own_weights

    def gathered(values):
        of_labels = ops.cast(similarity.sums(features, values), dtype)[:size]
        of_image = of_groups(values, images, number)[:size]
        return of_labels + missing * of_image

    self_weights = own_weights + missing
    totals = gathered(contrasts.counted[:, None]) - self_weights
    return {
        Weights("positive"): totals[:: contrasts.stride, 0],
        Products("positive"): weighted_similarities(
            contrasts, gathered, self_weights
        ),
    }
