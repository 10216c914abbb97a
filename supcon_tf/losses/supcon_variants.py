"""The kinds of pairs of SupCon, with a cap or a mask of the positives."""

from keras import ops

from supcon_tf.losses.pairs.kinds import by_class
from supcon_tf.losses.pairs.positives import is_same_by_mask, pair_masks
from supcon_tf.losses.pairs.terms import Kinds


def kinds_of_variant(
    contrasts, *, positives_mask, positives_cap, has_exact_sums
):
    """The `Kinds` of pairs; with a cap or a mask only for the whole matrix.

    `contrasts` is a `Contrasts`, and `has_exact_sums` is as for `by_class`. The
    others are as for `supcon_loss`.
    """
    kinds = by_class(contrasts, has_exact_sums=has_exact_sums)
    if positives_mask is None and positives_cap is None:
        return kinds
    if positives_mask is None:
        classes = contrasts.classes
        is_same = contrasts.anchor_classes[:, None] == classes[None, :]
    else:
        is_same = is_same_by_mask(positives_mask, contrasts)
    is_positive, is_negative = pair_masks(
        is_same,
        contrasts.views,
        contrasts.stride,
        positives_cap=positives_cap,
        first=contrasts.first,
        is_real=contrasts.is_real,
    )
    of_pairs = {
        "positive": is_positive,
        "negative": is_negative,
        # A cap leaves positives out of the denominator, too.
        "contrast": ops.logical_or(is_positive, is_negative),
    }
    return Kinds({}, lambda rows, columns: of_pairs, contrasts="contrast")
