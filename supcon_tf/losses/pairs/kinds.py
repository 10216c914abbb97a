"""Which pairs are positives, negatives and contrasts, and how much."""

from keras import ops

from supcon_tf.losses.pairs.positives import (
    count_positives,
    similarities_to_positives,
)
from supcon_tf.losses.pairs.terms import Kinds


def by_class(contrasts, *, has_exact_sums=True):
    """`Kinds` of equal classes: `"positive"` and `"negative"`, bool.

    With `has_exact_sums` the sums over the positives are computed from the sum
    of each class, which is exact if no vector is far longer than the others.
    """

    def weigh(rows, columns):
        same = rows["classes"] == ops.transpose(columns["classes"])
        other = ops.logical_not(same)
        return {"positive": same, "negative": other, "is_negative": other}

    def positives(contrasts):
        return count_positives(contrasts), similarities_to_positives(contrasts)

    return Kinds(
        {"classes": contrasts.classes[:, None]},
        weigh,
        positives=positives if has_exact_sums else None,
    )
