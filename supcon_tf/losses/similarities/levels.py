"""The similarity of two images in a hierarchy of classes."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.errors import check_number
from supcon_tf.frameworks.backends import id_dtype
from supcon_tf.labels import known_values, refuse_names
from supcon_tf.losses.pairs.positives import group_by_class
from supcon_tf.losses.similarities.similarity import Similarity


@keras.saving.register_keras_serializable("supcon_tf")
class SharedLevels(Similarity):
    """The share of the levels of a hierarchy that two images have in common.

        w_ij = sum_l weight_l [y_il = y_jl] / sum_l weight_l

    Args:
      weights: None, or a list of one number >= 0 for each level. With None all
        levels count alike.

    Labels: `[B, L]` integers, one class at each of L levels, such as the
    coarse and the fine classes of CIFAR-100.

    Example:
      >>> similarity = SharedLevels([1.0, 3.0])
      >>> levels = similarity.features([[0, 5], [0, 6], [1, 7]])
      >>> np.array(similarity.tile(levels, levels))
      array([[1.  , 0.25, 0.  ],
             [0.25, 1.  , 0.  ],
             [0.  , 0.  , 1.  ]], dtype=float32)
    """

    def __init__(self, weights: Sequence[float] | None = None):
        if weights is not None:
            weights = list(weights)
            for weight in weights:
                check_number("weights", weight, at_least=0)
            if not sum(weights) > 0:
                raise ValueError(
                    "`weights` must be numbers >= 0, one of them > 0. "
                    f"Received: weights={weights}"
                )
        self.weights = weights

    def features(self, labels):
        """Checks `[B, L]` integers."""
        return levels_of("SharedLevels", labels, self.weights)

    def tile(self, rows, columns):
        """The weights of all pairs, `[r, c]`."""
        dtype = keras.backend.floatx()
        shares = self._shares(rows.shape[1])
        return sum(
            share * ops.cast(rows[:, level, None] == columns[:, level], dtype)
            for level, share in enumerate(shares)
        )

    def sums(self, features, values):
        """The sum over j of w_ij values_j, `[N, W]`."""
        number = ops.shape(features)[0]
        total = 0
        for level, share in enumerate(self._shares(features.shape[1])):
            groups = group_by_class(features[:, level], number)
            sums = ops.segment_sum(values, groups, number)
            total += share * ops.take(sums, groups, axis=0)
        return total

    def own_weights(self, features):
        """The weights w_ii, `[N, 1]`."""
        return ops.ones((ops.shape(features)[0], 1))

    def get_config(self):
        """Returns every argument of the constructor."""
        return {"weights": self.weights}

    def _shares(self, levels):
        weights = self.weights or [1.0] * levels
        return [weight / sum(weights) for weight in weights]


def levels_of(
    name: str, labels: ArrayLike | None, weights: Sequence[float] | None = None
) -> Any:
    """Checks the labels of a hierarchy: `[B, L]` integers of at most 64 bits.

    Args:
      name: of the class that takes them, for the error.
      labels: what was given.
      weights: None, or a list of L numbers.

    Returns:
      `[B, L]` integer tensor.

    Raises:
      ValueError: if they are not such.
    """
    refuse_names(labels)
    values = known_values(labels)
    labels = ops.stop_gradient(ops.convert_to_tensor(labels))
    shape = tuple(labels.shape)
    levels = shape[1] if len(shape) == 2 else None
    is_int = "int" in keras.backend.standardize_dtype(labels.dtype)
    if not is_int:
        # On several replicas Keras traces the loss once with the mean of their
        # labels, which is no integer.
        is_int = values is None or bool((values == values.round()).all())
    if not levels or not is_int or (weights and len(weights) != levels):
        number = len(weights) if weights else "L"
        raise ValueError(
            f"`labels` must be integers of shape [B, {number}], one class at "
            f"each level, for {name}. Received: dtype="
            f"{keras.backend.standardize_dtype(labels.dtype)}, shape={shape}"
        )
    return ops.cast(labels, id_dtype())
