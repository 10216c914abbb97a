"""How alike two images are whose labels are more than a class.

A similarity makes weights of pairs from labels: 1 for a full positive, 0 for a
negative. `SoftSupConLoss` and `CrossViewLoss` take one. One of your own needs
two methods:

    features(labels) -> [B, F] numbers, of labels with one row for each image
    tile(rows, columns) -> [r, c] floats in [0, 1], of two blocks of features
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.errors import check_number
from supcon_tf.frameworks.backends import backend, id_dtype
from supcon_tf.labels import known_values, refuse_names
from supcon_tf.losses.pairs.positives import group_by_class


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
        return _rows_of_floats(type(self).__name__, labels)

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
            return _summed(rows, columns, ops.minimum)

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
        rows = _rows_of_floats("AffineCosine", labels)
        rows = ops.divide_no_nan(rows, ops.norm(rows, axis=1, keepdims=True))
        ones = ops.ones_like(rows[:, :1])
        return ops.concatenate([rows, ones], axis=1) / math.sqrt(2)

    def tile(self, rows, columns):
        """The weights of all pairs, `[r, c]`; rounding leaves none below 0."""
        return ops.maximum(super().tile(rows, columns), 0.0)


class _Kernel(Similarity):
    """A function of the distance of two targets, 1 for equal ones."""

    # They are anyway, since they have the same targets.
    own_views_are_alike = False

    def __init__(self, width: float):
        check_number("width", width, above=0)
        self.width = width

    def get_config(self):
        """Returns every argument of the constructor."""
        return {"width": self.width}


@keras.saving.register_keras_serializable("supcon_tf")
class GaussianKernel(_Kernel):
    """exp(-|y_i - y_j|^2 / (2 width^2)), for the targets of a regression.

    Args:
      width: float > 0, in units of the targets.

    Labels: `[B]` or `[B, T]` numbers.

    Example:
      >>> ages = GaussianKernel(5.0).features([20.0, 25.0])
      >>> np.round(GaussianKernel(5.0).tile(ages, ages), 3)
      array([[1.   , 0.607],
             [0.607, 1.   ]], dtype=float32)
    """

    def tile(self, rows, columns):
        """The kernel of all pairs, `[r, c]`."""
        scale = 1 / (math.sqrt(2) * self.width)
        rows, columns = rows * scale, columns * scale
        return ops.exp(-_summed(rows, columns, lambda a, b: ops.square(a - b)))


@keras.saving.register_keras_serializable("supcon_tf")
class LaplaceKernel(_Kernel):
    """exp(-|y_i - y_j| / width), for the targets of a regression.

    Args:
      width: float > 0, in units of the targets.

    Labels: `[B]` or `[B, T]` numbers, whose distance is the sum of the T
    absolute differences.

    Example:
      >>> ages = LaplaceKernel(5.0).features([20.0, 25.0])
      >>> np.round(LaplaceKernel(5.0).tile(ages, ages), 3)
      array([[1.   , 0.368],
             [0.368, 1.   ]], dtype=float32)
    """

    def tile(self, rows, columns):
        """The kernel of all pairs, `[r, c]`."""
        return ops.exp(-_summed(rows, columns, _distance) / self.width)


@keras.saving.register_keras_serializable("supcon_tf")
class Within(_Kernel):
    """1 where |y_i - y_j| <= width, else 0.

    Args:
      width: float >= 0, in units of the targets.

    Labels: `[B]` or `[B, T]` numbers, whose distance is the sum of the T
    absolute differences.

    Example:
      >>> ages = Within(5.0).features([20.0, 25.0, 26.0])
      >>> np.array(Within(5.0).tile(ages, ages))
      array([[1., 1., 0.],
             [1., 1., 1.],
             [0., 1., 1.]], dtype=float32)
    """

    def __init__(self, width: float):
        check_number("width", width, at_least=0)
        self.width = width

    def tile(self, rows, columns):
        """The weights of all pairs, `[r, c]`."""
        distances = _summed(rows, columns, _distance)
        return ops.cast(distances <= self.width, rows.dtype)


@keras.saving.register_keras_serializable("supcon_tf")
class Distance(Similarity):
    """|y_i - y_j| + 1: contrast weights that grow with the distance.

    It is no similarity of positives, but the `contrast_weights` of SupReMix:
    contrasts with far targets are pushed away more.

    Labels: `[B]` or `[B, T]` numbers.

    Example:
      >>> ages = Distance().features([20.0, 25.0])
      >>> np.array(Distance().tile(ages, ages))
      array([[1., 6.],
             [6., 1.]], dtype=float32)

    Reference:
      Wu et al., "Mixup Your Own Pairs", 2023, https://arxiv.org/abs/2309.16633
    """

    def tile(self, rows, columns):
        """The weights of all pairs, `[r, c]`."""
        return _summed(rows, columns, _distance) + 1


@keras.saving.register_keras_serializable("supcon_tf")
class Haversine(Similarity):
    """exp(-distance / km), with the distance of two places on the globe.

    Args:
      km: float > 0, in kilometres. PIGEON smooths with 75.

    Labels: `[B, 2]` longitudes and latitudes, in degrees.

    Example:
      >>> places = Haversine(200).features([[2.3522, 48.8566],
      ...                                   [4.3517, 50.8503]])
      >>> round(float(Haversine(200).tile(places, places)[0, 1]), 4)
      0.2668

    Reference:
      Haas et al., "PIGEON: Predicting Image Geolocations", CVPR 2024,
      https://arxiv.org/abs/2307.05845, with its radius of 6378.137 km.
    """

    def __init__(self, km: float):
        check_number("km", km, above=0)
        self.km = km

    def features(self, labels):
        """Checks `[B, 2]` degrees."""
        rows = _rows_of_floats("Haversine", labels)
        values = known_values(rows)
        if rows.shape[1] != 2 or (
            values is not None and (abs(values) > [[360, 90]]).any()
        ):
            raise ValueError(
                "`labels` must be longitudes and latitudes in degrees, of "
                "shape [B, 2], for Haversine. "
                f"Received: shape={tuple(rows.shape)}"
                + ("" if values is None else f", at most {abs(values).max(0)}")
            )
        return rows

    def tile(self, rows, columns):
        """The weights of all pairs, `[r, c]`."""
        (lon, lat), (lon_2, lat_2) = (
            ops.unstack(x * (math.pi / 180), 2, axis=1) for x in (rows, columns)
        )
        half_chords = ops.square(ops.sin((lat[:, None] - lat_2) / 2)) + ops.cos(
            lat
        )[:, None] * ops.cos(lat_2) * ops.square(
            ops.sin((lon[:, None] - lon_2) / 2)
        )
        angles = 2 * ops.arcsin(ops.sqrt(ops.clip(half_chords, 0.0, 1.0)))
        return ops.exp(-6378.137 * angles / self.km)

    def get_config(self):
        """Returns every argument of the constructor."""
        return {"km": self.km}


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


@keras.saving.register_keras_serializable("supcon_tf")
class Mixed(Similarity):
    """The shares of two images in one, as in MixCo.

    Each image of the first view is mixed of two, lambda of its own and
    1 - lambda of another one; the second view is not mixed. It is for
    `CrossViewLoss` with `positives_mean="one"` alone, since it is not
    symmetric.

    Labels: `[B, 3]`: lambda in [0, 1], a number of the image, and the number of
    the image that it is mixed with. The numbers are whole, below 2^24, and
    different for all images of the global batch.

    Example:
      >>> labels = Mixed().features([[0.7, 0, 1], [1.0, 1, 0]])
      >>> np.round(Mixed().tile(labels, labels), 6)
      array([[0.7, 0.3],
             [0. , 1. ]], dtype=float32)

    Reference:
      Kim et al., "MixCo: Mix-up Contrastive Learning for Visual
      Representation", 2020, https://arxiv.org/abs/2010.06300
    """

    own_views_are_alike = False
    is_symmetric = False

    def features(self, labels):
        """Checks `[B, 3]` numbers."""
        rows = _rows_of_floats("Mixed", labels)
        values = known_values(rows)
        if rows.shape[1] != 3 or (
            values is not None
            and ((values[:, 0] < 0) | (values[:, 0] > 1)).any()
        ):
            raise ValueError(
                "`labels` must be (lambda, number of the image, number of the "
                "image mixed in), of shape [B, 3] with lambda in [0, 1], for "
                f"Mixed. Received: shape={tuple(rows.shape)}"
            )
        return rows

    def tile(self, rows, columns):
        """The share of each column's image in each row's, `[r, c]`."""
        shares, own, other = ops.unstack(rows[:, :, None], 3, axis=1)
        numbers = columns[None, :, 1]
        zeros = ops.zeros_like(numbers)
        of_own = ops.where(own == numbers, shares, zeros)
        return of_own + ops.where(other == numbers, 1 - shares, zeros)


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


def _rows_of_floats(name, labels):
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


def _label_vectors(name, labels):
    """Labels as `[B, C]` floats >= 0, C > 1."""
    rows = _rows_of_floats(name, labels)
    values = known_values(rows)
    if rows.shape[1] < 2 or (values is not None and (values < 0).any()):
        raise ValueError(
            "`labels` must be numbers >= 0 of shape [B, C], one column for "
            f"each class, for {name}. Received: shape={tuple(rows.shape)}"
            + ("" if values is None else f", least {values.min():g}")
        )
    return rows


def _distance(a, b):
    return ops.abs(a - b)


def _summed(rows, columns, function):
    """The sum over features of a function of all pairs, `[r, c]`."""
    return sum(
        function(rows[:, f, None], columns[None, :, f])
        for f in range(rows.shape[1])
    )
