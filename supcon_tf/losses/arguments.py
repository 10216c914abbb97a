"""Checks the arguments of the contrastive loss, alone and in combination."""

import math
import numbers

import keras

_CHOICES = {
    "summation": ("outside", "inside"),
    "denominator": ("all", "one_positive", "only_negatives"),
    "anchors": ("all", "first"),
    "implementation": ("auto", "dense", "tiled"),
    "positives_mean": ("weights", "count", "contrasts", "one"),
}
# float32 cannot hold similarities divided by a smaller temperature.
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
    labels=None,
    **choices,
):
    """Raises a ValueError unless the arguments of `supcon_loss` are allowed.

    `views` is V, if it is known. `choices` are `summation`, `denominator`,
    `anchors` and `implementation`. All others are as for `supcon_loss`.
    """
    check_temperature(temperature)
    check_flags(normalize=normalize, scale_by_temperature=scale_by_temperature)
    check_choices(**choices)
    _check_positives_cap(positives_cap, views)
    check_unlabeled_label(unlabeled_label)
    _check_companions(
        positives_cap=positives_cap,
        positives_mask=positives_mask,
        queue=queue,
        in_place_of_mask={"labels": labels, "unlabeled_label": unlabeled_label},
        implementation=choices["implementation"],
    )


def check_temperature(temperature):
    """Raises a ValueError unless a temperature is allowed.

    The value of a tensor or a variable is not checked.
    """
    if keras.ops.is_tensor(temperature) or isinstance(
        temperature, keras.Variable
    ):
        if len(temperature.shape) > 1:
            raise ValueError(
                "`temperature` must be a number, a scalar tensor or a tensor "
                "of shape [B], one for each image. "
                f"Received: shape={tuple(temperature.shape)}"
            )
        return
    if not _is_number(temperature) or not (
        _LOWEST_TEMPERATURE <= temperature < math.inf
    ):
        raise ValueError(
            "`temperature` must be a finite number > 0, at least "
            f"{_LOWEST_TEMPERATURE}. Received: temperature={temperature!r}"
        )


def plain_number(temperature):
    """The value of a scalar temperature, as a float for a configuration."""
    if isinstance(temperature, numbers.Real):
        return temperature
    return float(keras.ops.convert_to_numpy(temperature))


def check_unlabeled_label(unlabeled_label):
    """Raises a ValueError unless it is None or an integer."""
    if unlabeled_label is not None and not _is_number(
        unlabeled_label, numbers.Integral
    ):
        raise ValueError(
            "`unlabeled_label` must be None or an integer. "
            f"Received: unlabeled_label={unlabeled_label!r}"
        )


def check_flags(**flags):
    """Raises a ValueError unless each value is True or False."""
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise ValueError(
                f"`{name}` must be True or False. Received: {name}={value!r}"
            )


def check_choices(**choices):
    """Raises a ValueError unless each value is one that its name allows."""
    for name, value in choices.items():
        if value not in _CHOICES[name]:
            allowed = ", ".join(repr(choice) for choice in _CHOICES[name])
            raise ValueError(
                f"`{name}` must be one of {allowed}. Received: {name}={value!r}"
            )


def _check_positives_cap(positives_cap, views):
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


def _check_companions(
    *,
    positives_cap,
    positives_mask,
    queue,
    in_place_of_mask,
    implementation,
):
    """Refuses arguments that are allowed alone but not together."""
    if positives_mask is not None:
        for name, value in in_place_of_mask.items():
            if value is not None:
                raise ValueError(
                    f"`{name}` must be None with `positives_mask`, which takes "
                    "the place of labels. Received: both"
                )
    for_dense = {
        "positives_cap": positives_cap,
        "positives_mask": positives_mask,
    }
    for name, value in for_dense.items():
        if value is None:
            continue
        if queue is not None:
            raise ValueError(
                f"`{name}` must be None with a queue, whose projections "
                f"it does not tell apart. Received: {name} and a queue"
            )
        if implementation == "tiled":
            raise ValueError(
                "implementation='tiled' must go without positives_cap and "
                "positives_mask; 'dense' and 'auto' do all. "
                f"Received: {name}, which only 'dense' computes"
            )


def _is_number(value, kind=numbers.Real):
    return isinstance(value, kind) and not isinstance(value, bool)
