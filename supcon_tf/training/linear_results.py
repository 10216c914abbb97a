"""Reads linear_eval.json, which others may have changed since."""

import json
import math

from supcon_tf.files import read_text

_YARDSTICKS = (
    "top_5_accuracy",
    "classifier_top_1_accuracy",
    "untrained_top_1_accuracy",
    "raw_pixel_1nn_accuracy",
)
_COUNTS = ("num_train_images", "num_test_images")
_CHOICES = ("l2", "learning_rate")


def read_linear_results(path, *, required=(), program="supcon-linear-eval"):
    """Reads what supcon-linear-eval wrote.

    Args:
      path: `pathlib.Path` of linear_eval.json.
      required: names of the results that must be there. Older versions wrote
        fewer.
      program: the command that wrote them.

    Returns:
      A dict, as `linear_eval` returns it.

    Raises:
      ValueError: if the file is missing or is not such JSON.

    Example:
      >>> import pathlib
      >>> path = pathlib.Path("linear_eval.json")
      >>> _ = path.write_text('{"top_1_accuracy": 0.75}')
      >>> read_linear_results(path)
      {'top_1_accuracy': 0.75}
    """
    try:
        results = json.loads(read_text(path))
        if not isinstance(results, dict):
            raise ValueError(f"a {type(results).__name__}, no object")
        if missing := set(required) - results.keys():
            raise ValueError(f"nothing for {sorted(missing)}")
        _check(results)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} must hold the results that {program} writes; "
            f"delete it to have it made anew. Received: {error}"
        ) from error
    return results


def _check(results):
    """Refuses what is there and is not as it is written."""
    for name, is_right, words in (
        ("top_1_accuracy", _is_share, "in [0, 1]"),
        *(
            (name, _is_share_or_none, "in [0, 1] or null")
            for name in _YARDSTICKS
        ),
        *((name, _is_count, "an int >= 0") for name in _COUNTS),
        ("config", _is_dict, "an object"),
        ("chosen", _is_dict, "an object"),
        ("class_names", _are_names, "a list of strings or null"),
    ):
        if name in results and not is_right(results[name]):
            value = repr(results[name])
            raise ValueError(f"{name}={value[:40]}, which must be {words}")
    for name in _CHOICES:
        value = results.get("chosen", {}).get(name, 0)
        if not _is_number(value):
            raise ValueError(f"{name}={value!r}, which must be a number")


def _is_number(value):
    is_real = isinstance(value, (int, float)) and not isinstance(value, bool)
    # (A larger int has no float.)
    return is_real and abs(value) < 2**63 and math.isfinite(value)


def _is_share(value):
    return _is_number(value) and 0 <= value <= 1


def _is_share_or_none(value):
    return value is None or _is_share(value)


def _is_count(value):
    return isinstance(value, int) and _is_number(value) and value >= 0


def _is_dict(value):
    return isinstance(value, dict)


def _are_names(value):
    return value is None or (
        isinstance(value, list) and all(isinstance(x, str) for x in value)
    )
