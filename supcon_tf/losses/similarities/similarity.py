"""The base class of the similarities, and the functions that they share.

A similarity makes weights of pairs from labels: 1 for a full positive, 0 for a
negative. `SoftSupConLoss` and `CrossViewLoss` take one.
"""

import math
from typing import Any

import keras
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.frameworks.backends import backend
from supcon_tf.labels import known_values, refuse_names


class Similarity:
    """The base class of the similarities here.

    A subclass implements `tile`, and checks its labels in `features`. If the
    sum over j of w_ij x_j can be computed without a matrix of pairs, it also
    implements `sums` and `own_weights`.

    Attributes:
      own_views_are_alike: whether the views of an image are given the weight 1
        with each other, whatever `tile` says.
    """

    own_views_are_alike = True

    def features(self, labels: Any) -> Any:
        """Checks labels and converts them to numbers.

        Args:
          labels: as the class describes.

        Returns:
          `[B, F]` numbers.

        Raises:
          ValueError: if the labels are not such.
        """
        return rows_of_floats(type(self).__name__, labels)

    def tile(self, rows: Any, columns: Any) -> Any:
        """The weights of all pairs of two blocks.

        Args:
          rows: `[r, F]` features.
          columns: `[c, F]` features.

        Returns:
          `[r, c]` floats in [0, 1], symmetric in rows and columns.
        """
        raise NotImplementedError

    def get_config(self):
        """Returns every argument of the constructor."""
        return {}

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        return cls(**config)


def check_similarity(name: str, similarity: Any) -> None:
    """Refuses what has not the methods of a similarity.

    Args:
      name: of the argument.
      similarity: what was given for it.

    Raises:
      ValueError: if it is so.
    """
    methods = ("features", "tile")
    if isinstance(similarity, type) or not all(
        callable(getattr(similarity, method, None)) for method in methods
    ):
        raise ValueError(
            f"`{name}` must be an object with the methods `features` and "
            "`tile`, such as similarities.Jaccard(0.3). "
            f"Received: {name}={similarity!r}"
        )


def label_features(
    similarity: Any, labels: ArrayLike | None, batch: Any
) -> Any:
    """The features of labels `[B, F]`, checked.

    Args:
      similarity: as for `SoftSupConLoss`.
      labels: what the loss was given.
      batch: B, an int or an integer tensor.

    Raises:
      ValueError: if there are no labels, or not B of them.
    """
    name = type(similarity).__name__
    if labels is None:
        raise ValueError(
            f"`labels` must be given, since {name} compares them. "
            "Received: None"
        )
    features = similarity.features(labels)
    shape = tuple(features.shape)
    if len(shape) != 2 or (
        isinstance(batch, int) and shape[0] not in (None, batch)
    ):
        raise ValueError(
            f"`labels` must have one row for each of the {batch} images; the "
            f"features of {name} must be [B, F]. Received: shape={shape}"
        )
    return features


def rows_of_floats(name, labels):
    """Labels `[B]` or `[B, F]` as `[B, F]` finite floats, constants."""
    refuse_names(labels)
    labels = ops.convert_to_tensor(labels)
    dtype = keras.backend.standardize_dtype(labels.dtype)
    if "float" in dtype or backend() == "jax":
        dtype = "float64" if dtype == "float64" else "float32"
    else:
        dtype = "float64"  # integers of any size, for losses of any dtype
    labels = ops.stop_gradient(ops.cast(labels, dtype))
    shape = tuple(labels.shape)
    values = known_values(labels)
    if (
        len(shape) not in (1, 2)
        or None in shape[1:]
        or (values is not None and (abs(values) == math.inf).any())
        or (values is not None and (values != values).any())
    ):
        raise ValueError(
            f"`labels` must be finite numbers of shape [B] or [B, F] for "
            f"{name}. Received: shape={shape}"
        )
    return ops.reshape(labels, (-1, 1 if len(shape) == 1 else shape[1]))


def sum_over_features(rows, columns, function):
    """The sum over features of a function of all pairs, `[r, c]`."""
    return sum(
        function(rows[:, f, None], columns[None, :, f])
        for f in range(rows.shape[1])
    )
