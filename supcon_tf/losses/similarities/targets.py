"""Similarities of the targets of a regression, and of places on the globe."""

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
        return ops.exp(
            -sum_over_features(rows, columns, lambda a, b: ops.square(a - b))
        )


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
        return ops.exp(
            -sum_over_features(rows, columns, _distance) / self.width
        )


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
        distances = sum_over_features(rows, columns, _distance)
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
        return sum_over_features(rows, columns, _distance) + 1


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
        rows = rows_of_floats("Haversine", labels)
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


def _distance(a, b):
    return ops.abs(a - b)
