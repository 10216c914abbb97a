"""Similarities of rows of numbers: sets or shares of classes, and vectors."""

import math

import keras
from keras import ops

from supcon_tf.errors import check_number
from supcon_tf.labels import known_values
from supcon_tf.losses.similarities.similarity import (
    Similarity,
    rows_of_floats,
    sum_over_features,
)


@keras.saving.register_keras_serializable("supcon_tf")
class Jaccard(Similarity):
    """The Jaccard index of two sets of classes, for several labels an image.

        w_ij = sum_c min(y_ic, y_jc) / sum_c max(y_ic, y_jc)

    It is 0 below the threshold, and for two empty sets. It is that of
    MultiSupCon (Zaigrajew & Zieba 2022), with `positives_mean="count"`.

    Args:
      threshold: float in [0, 1]. The default is 0.3, as in the authors' code.

    Labels: `[B, C]` numbers >= 0, usually 0 and 1.

    Example:
      >>> labels = Jaccard(0).features([[1, 1, 0], [0, 1, 1]])
      >>> np.round(Jaccard(0).tile(labels, labels), 3)
      array([[1.   , 0.333],
             [0.333, 1.   ]])
    """

    def __init__(self, threshold: float = 0.3):
        check_number("threshold", threshold, at_least=0)
        if threshold > 1:
            raise ValueError(
                "`threshold` must be in [0, 1]. "
                f"Received: threshold={threshold}"
            )
        self.threshold = threshold

    def features(self, labels):
        """Checks `[B, C]` numbers >= 0."""
        return _label_vectors("Jaccard", labels)

    def tile(self, rows, columns):
        """The Jaccard index of all pairs, `[r, c]`."""

        def of_sets():
            return ops.matmul(rows, ops.transpose(columns))

        def of_numbers():
            return sum_over_features(rows, columns, ops.minimum)

        def is_set(x):
            return ops.all(ops.logical_or(x == 0, x == 1))

        both = ops.cond(
            ops.logical_and(is_set(rows), is_set(columns)), of_sets, of_numbers
        )
        either = ops.sum(rows, axis=1)[:, None] + ops.sum(columns, axis=1)
        index = ops.divide_no_nan(both, either - both)
        return ops.where(index >= self.threshold - 1e-6, index, 0.0)

    def get_config(self):
        """Returns every argument of the constructor."""
        return {"threshold": self.threshold}


@keras.saving.register_keras_serializable("supcon_tf")
class Dot(Similarity):
    """The product <y_i, y_j>: how probable it is that both are of one class.

    An image whose shares of classes are unsure has a low weight even with
    itself, and so have its own views.

    Labels: `[B, C]` shares of classes that sum to at most 1, such as one-hot
    rows, a teacher's probabilities, or what CutMix and mixup make.

    Example:
      >>> labels = Dot().features([[0.5, 0.5], [1.0, 0.0]])
      >>> np.array(Dot().tile(labels, labels))
      array([[0.5, 0.5],
             [0.5, 1. ]], dtype=float32)
    """

    own_views_are_alike = False

    def features(self, labels):
        """Checks `[B, C]` shares that sum to at most 1."""
        rows = _label_vectors(type(self).__name__, labels)
        values = known_values(rows)
        if values is not None and (values.sum(1) > 1 + 1e-3).any():
            raise ValueError(
                "`labels` must be shares of classes that sum to at most 1 for "
                f"{type(self).__name__}. Received: a row that sums to "
                f"{values.sum(1).max():g}"
            )
        return rows

    def tile(self, rows, columns):
        """The product of all pairs, `[r, c]`."""
        return ops.matmul(rows, ops.transpose(columns))

    def sums(self, features, values):
        """The sum over j of w_ij values_j, `[N, W]`."""
        factors = ops.cast(features, values.dtype)
        return ops.matmul(factors, ops.matmul(ops.transpose(factors), values))

    def own_weights(self, features):
        """The weights w_ii, `[N, 1]`."""
        return ops.sum(ops.square(features), axis=1, keepdims=True)


@keras.saving.register_keras_serializable("supcon_tf")
class Cosine(Dot):
    """The cosine of two label vectors, for soft labels (Kim et al. 2022).

    Equal rows have the weight 1, however unsure they are.

    Labels: `[B, C]` numbers >= 0, such as one-hot rows, several classes, a
    teacher's probabilities, or what CutMix and mixup make.

    Example:
      >>> labels = Cosine().features([[0.5, 0.5], [1.0, 0.0]])
      >>> np.round(Cosine().tile(labels, labels), 3)
      array([[1.   , 0.707],
             [0.707, 1.   ]], dtype=float32)
    """

    own_views_are_alike = True

    def features(self, labels):
        """The label vectors, scaled to unit length."""
        rows = _label_vectors("Cosine", labels)
        return ops.divide_no_nan(rows, ops.norm(rows, axis=1, keepdims=True))


@keras.saving.register_keras_serializable("supcon_tf")
class AffineCosine(Dot):
    """(1 + <r_i, r_j>) / 2 of unit vectors, as in CWCL.

    Labels: `[B, R]` representations by a frozen tower; they are scaled to unit
    length.

    Example:
      >>> vectors = AffineCosine().features([[3.0, 4.0], [-3.0, -4.0]])
      >>> np.round(AffineCosine().tile(vectors, vectors), 6) + 0.0
      array([[1., 0.],
             [0., 1.]], dtype=float32)

    Reference:
      Srinivasa et al., "CWCL: Cross-Modal Transfer with Continuously Weighted
      Contrastive Loss", NeurIPS 2023, https://arxiv.org/abs/2309.14580
    """

    own_views_are_alike = True

    def features(self, labels):
        """The vectors `[r, 1] / sqrt(2)`, whose products are the weights."""
        rows = rows_of_floats("AffineCosine", labels)
        rows = ops.divide_no_nan(rows, ops.norm(rows, axis=1, keepdims=True))
        ones = ops.ones_like(rows[:, :1])
        return ops.concatenate([rows, ones], axis=1) / math.sqrt(2)

    def tile(self, rows, columns):
        """The weights of all pairs, `[r, c]`; rounding leaves none below 0."""
        return ops.maximum(super().tile(rows, columns), 0.0)


def _label_vectors(name, labels):
    """Labels as `[B, C]` floats >= 0, C > 1."""
    rows = rows_of_floats(name, labels)
    values = known_values(rows)
    if rows.shape[1] < 2 or (values is not None and (values < 0).any()):
        raise ValueError(
            "`labels` must be numbers >= 0 of shape [B, C], one column for "
            f"each class, for {name}. Received: shape={tuple(rows.shape)}"
            + ("" if values is None else f", least {values.min():g}")
        )
    return rows
