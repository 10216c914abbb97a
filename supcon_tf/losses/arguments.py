"""The arguments of the loss: what they may be, and what goes together."""

import math
import numbers

import keras
import numpy as np
from keras import ops

_CHOICES = {
    "summation": ("outside", "inside"),
    "denominator": ("all", "one_positive", "only_negatives"),
    "anchors": ("all", "first"),
    "implementation": ("auto", "dense", "tiled"),
}
# Below, float32 has no similarities over the temperature.
_LOWEST_TEMPERATURE = 1e-6


def check_variant(
    *,
    temperature,
    normalize,
    scale_by_temperature,
    positives_cap,
    unlabeled_label,
    views=None,
    positives_mask=None,
    queue=None,
    **choices,
):
    """Raises a ValueError unless the arguments of `supcon_loss` are allowed.

    Args:
      temperature: and the others, as for `supcon_loss`.
      normalize: see there.
      scale_by_temperature: see there.
      positives_cap: see there.
      unlabeled_label: see there.
      views: V, where it is known.
      positives_mask: see there.
      queue: see there.
      **choices: summation, denominator, anchors, implementation.
    """
    if not _is_number(temperature) or not (
        _LOWEST_TEMPERATURE <= temperature < math.inf
    ):
        raise ValueError(
            "`temperature` must be a finite number > 0, at least "
            f"{_LOWEST_TEMPERATURE}. Received: temperature={temperature!r}"
        )
    for name, value in (
        ("normalize", normalize),
        ("scale_by_temperature", scale_by_temperature),
    ):
        if not isinstance(value, bool):
            raise ValueError(
                f"`{name}` must be True or False. Received: {name}={value!r}"
            )
    for name, value in choices.items():
        if value not in _CHOICES[name]:
            allowed = ", ".join(repr(choice) for choice in _CHOICES[name])
            raise ValueError(
                f"`{name}` must be one of {allowed}. Received: {name}={value!r}"
            )
    if positives_cap is not None and (
        not _is_number(positives_cap, numbers.Integral)
        or positives_cap < 0
        or positives_cap % (views or 1)
    ):
        raise ValueError(
            "`positives_cap` must be None or an int >= 0, a multiple of the "
            f"number of views. Received: positives_cap={positives_cap!r}"
            + (f" with {views} views" if views else "")
        )
    if unlabeled_label is not None:
        if not _is_number(unlabeled_label, numbers.Integral):
            raise ValueError(
                "`unlabeled_label` must be None or an integer. "
                f"Received: unlabeled_label={unlabeled_label!r}"
            )
        if positives_mask is not None:
            raise ValueError(
                "`unlabeled_label` must be None with `positives_mask`, which "
                "takes the place of labels. Received: both"
            )
    if queue is not None:
        for name, value in (
            ("positives_cap", positives_cap),
            ("positives_mask", positives_mask),
        ):
            if value is not None:
                raise ValueError(
                    f"`{name}` must be None with a queue, whose projections "
                    f"it does not tell apart. Received: {name} and a queue"
                )
    only_dense = {
        "denominator": choices["denominator"] != "all",
        "positives_cap": positives_cap is not None,
        "positives_mask": positives_mask is not None,
    }
    if choices["implementation"] == "tiled" and any(only_dense.values()):
        name = next(name for name, is_set in only_dense.items() if is_set)
        raise ValueError(
            "implementation='tiled' must go with denominator='all' and without "
            "positives_cap and positives_mask; 'dense' and 'auto' do all. "
            f"Received: {name}, which only 'dense' computes"
        )


def as_mask(positives_mask, labels, rows, columns):
    """The positives_mask of `supcon_loss` as a `[B, B]` bool tensor.

    Args:
      positives_mask: as for `supcon_loss`.
      labels: as for `supcon_loss`.
      rows: how many rows it must have, an int or an integer tensor.
      columns: the same of the columns.

    Raises:
      ValueError: if it is none, or there are labels as well.
    """
    if labels is not None:
        raise ValueError(
            "`labels` must be None with `positives_mask`, which takes their "
            "place. Received: both"
        )
    mask = ops.convert_to_tensor(positives_mask)
    dtype = keras.backend.standardize_dtype(mask.dtype)
    shape = tuple(mask.shape)
    if (
        dtype != "bool"
        or len(shape) != 2
        or any(
            isinstance(allowed, int) and size not in (None, allowed)
            for allowed, size in zip((rows, columns), shape, strict=True)
        )
    ):
        raise ValueError(
            "`positives_mask` must be bool of shape [B, B]. "
            f"Received: dtype={dtype}, shape={shape}"
        )
    return mask


def as_queue(queue, dim, dtype, *, has_labels):
    """The queue of `supcon_loss` as tensors of one size.

    Args:
      queue: as for `supcon_loss`.
      dim: int D.
      dtype: of the projections.
      has_labels: whether the batch has labels.

    Returns:
      Labels, None for a batch without; `[Q, D]` projections of that dtype, 0
      where the queue is not filled; and `[Q]` bool, is_filled.

    Raises:
      ValueError: if it is none, or of another D.
    """
    if not isinstance(queue, (tuple, list)) or len(queue) != 3:
        raise ValueError(
            "`queue` must be a tuple (labels, projections, is_filled). "
            f"Received: {type(queue).__name__}"
        )
    labels, projections, is_filled = queue
    projections = ops.convert_to_tensor(projections)
    shape = tuple(projections.shape)
    if len(shape) != 2 or None in shape or shape[1] != dim:
        raise ValueError(
            f"`queue` must hold projections of shape [Q, {dim}], as many "
            f"dimensions as the batch's. Received: shape={shape}"
        )
    is_filled = ops.convert_to_tensor(is_filled)
    if (
        tuple(is_filled.shape) != shape[:1]
        or keras.backend.standardize_dtype(is_filled.dtype) != "bool"
    ):
        raise ValueError(
            f"`queue` must hold is_filled as bool of shape [{shape[0]}]. "
            f"Received: dtype={is_filled.dtype}, "
            f"shape={tuple(is_filled.shape)}"
        )
    if has_labels and (labels is None or np.shape(labels)[:1] != shape[:1]):
        raise ValueError(
            f"`queue` must hold {shape[0]} labels, as many as projections. "
            f"Received: {None if labels is None else np.shape(labels)}"
        )
    projections = ops.cast(projections, dtype)
    zeros = ops.zeros_like(projections)
    projections = ops.where(is_filled[:, None], projections, zeros)
    return labels if has_labels else None, projections, is_filled


def _is_number(value, kind=numbers.Real):
    return isinstance(value, kind) and not isinstance(value, bool)
