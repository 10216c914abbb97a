"""The terms that are summed over an anchor's pairs, and the pairs' weights."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
from keras import ops


@dataclasses.dataclass(frozen=True)
class Exps:
    """The term log(sum_j k_ij exp(power * s_ij)), with similarities s.

    Attributes:
      kind: name of the weights k in `Kinds`. With None all pairs count 1.
      power: float.
    """

    kind: str | None = None
    power: float = 1.0


@dataclasses.dataclass(frozen=True)
class Products:
    """The term sum_j k_ij s_ij, with the weights k named `kind`."""

    kind: str


@dataclasses.dataclass(frozen=True)
class Weights:
    """The term sum_j k_ij, with the weights k named `kind`. It is constant."""

    kind: str


@dataclasses.dataclass(frozen=True)
class Curve:
    """A function of similarities that is summed over the positives.

    It is a function of `x = s_ij - offset_i`, `[r, c]`, and of constants that
    belong to the anchors, the shifts, `[r, 1]` or `[1, c]`.

    Attributes:
      value: function `(x, shifts)`, for x of any size.
      slope: the derivative of `value` by x, a function of the same arguments.
      of_exps: function `(exp(x), x, shifts)` that returns both. It need not
        stand an exp(x) that is 0 or infinite.
    """

    value: Callable
    slope: Callable
    of_exps: Callable


@dataclasses.dataclass(frozen=True)
class Kinds:
    """The weights of pairs, computed from features of their two rows.

    Attributes:
      features: dict from a name to `[N + Q, ...]` numbers, one row for each
        contrast.
      weigh: function `(rows, columns)` of two dicts, blocks of the features of
        anchors and of contrasts. It returns a dict from the name of a kind to
        `[rows, columns]`, bool or floats >= 0. What it says of an anchor and
        itself does not count.
      is_symmetric: whether a pair has the same weights in both orders.
      contrasts: None, or the name of the kind that says how much each contrast
        counts in a denominator.
      known: None, or a function of `Contrasts` that returns a dict from a term
        to its value `[M]`, for the terms that need no matrix of pairs.
      group: None, or the name of a feature `[N + Q, 1]` of integers. Tiles then
        keep the rows of a group together, so that only few tiles hold pairs of
        one group.
      apart: a function like `weigh`, for rows and columns of which no two are
        of one group. What it returns may also be True or False, for all
        pairs, or an array that broadcasts to `[rows, columns]`.
    """

    features: dict[str, Any]
    weigh: Callable
    is_symmetric: bool = True
    contrasts: str | None = None
    known: Callable | None = None
    group: str | None = None
    apart: Callable | None = None

    def of_groups_apart(self):
        """The `Kinds` of blocks of which no two rows are of one group."""
        return dataclasses.replace(self, weigh=self.apart, group=None)

    def in_both_orders(self, rows, columns):
        """The weights with rows as anchors, and with columns as anchors.

        Returns:
          Two dicts from a kind to `[rows, columns]`; the same dict twice if the
          order does not matter.
        """
        weights = self.weigh(rows, columns)
        if self.is_symmetric:
            return weights, weights
        return weights, {
            name: value if isinstance(value, bool) else ops.transpose(value)
            for name, value in self.weigh(columns, rows).items()
        }


ALL_PAIRS = Kinds({}, lambda rows, columns: {})


def is_mask(weights):
    """Whether weights of pairs are bool, rather than floats."""
    return keras.backend.standardize_dtype(weights.dtype) == "bool"
