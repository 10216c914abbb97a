"""Errors that several rooms raise, and checks that several make."""

import difflib
import math
import numbers
import types


class RunStoppedError(Exception):
    """Stops a run although nothing in its input was wrong.

    A command shows it as one line and ends with status 1.
    """


class NeedsTensorFlowError(RunStoppedError):
    """Refuses what only TensorFlow can do, where it is not the backend.

    Its message names the way out.
    """


def nearest(name, known):
    """The end of a message on an unknown name: the three most like it.

    Args:
      name: what was given. What is no str is like none.
      known: iterable of str, the names that there are.

    Returns:
      str, such as "; the nearest are 'a' and 'b'", or "".

    Example:
      >>> nearest("phots", ["digits", "folder", "photos", "cifar10_cpu"])
      "; the nearest are 'photos', 'digits' and 'folder'"
    """
    if not isinstance(name, str) or not name:
        return ""
    names = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0)
    *others, last = map(repr, names)
    if not others:
        return f"; the nearest is {last}"
    return f"; the nearest are {', '.join(others)} and {last}"


def check_int(name, value, least):
    """Refuses what is no int of at least some size.

    Args:
      name: of the argument.
      value: what was given for it.
      least: int, the smallest value that is allowed.

    Raises:
      ValueError: if it is so.

    Example:
      >>> check_int("epochs", 0, 1)
      Traceback (most recent call last):
        ...
      ValueError: `epochs` must be an int >= 1. Received: epochs=0
    """
    is_int = hasattr(value, "__index__") and not isinstance(value, bool)
    if not is_int or value < least:
        raise ValueError(
            f"`{name}` must be an int >= {least}. Received: {name}={value!r}"
        )


def check_number(name, value, *, above=None, at_least=None, below=math.inf):
    """Refuses what is no finite number, or one outside of a range.

    Args:
      name: of the argument.
      value: what was given for it.
      above: None, or number that the value must exceed.
      at_least: None, or the smallest value that is allowed.
      below: number that must exceed the value.

    Raises:
      ValueError: if it is so.

    Example:
      >>> check_number("steepness", 0, above=0)
      Traceback (most recent call last):
        ...
      ValueError: `steepness` must be a finite number > 0. Received: steepness=0
    """
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if (
        is_real
        and -math.inf < value < below
        and (above is None or value > above)
        and (at_least is None or value >= at_least)
    ):
        return
    limits = [
        f"{sign} {limit}"
        for sign, limit in ((">", above), (">=", at_least), ("<", below))
        if limit not in (None, math.inf)
    ]
    allowed = " ".join(["a finite number", " and ".join(limits)]).strip()
    raise ValueError(f"`{name}` must be {allowed}. Received: {name}={value!r}")


def refuse_endless(batches, name, steps, *, passes=1):
    """Refuses batches that never end, unless the number of steps is given.

    Args:
      batches: what a method of a Keras model is given, such as a
        `tf.data.Dataset`. Arrays end.
      name: of the argument that says how many steps an epoch has.
      steps: what was given for it, or None.
      passes: int, how often they are to be passed through. A generator can be
        so once: Keras would take its first two batches for all of them.

    Raises:
      ValueError: if `batches` are endless, or a generator for several passes,
        and `steps` is None; or if these are no int >= 1, with which Keras would
        not end either.
    """
    if steps is not None:
        check_int(name, steps, 1)
        return
    if isinstance(batches, types.GeneratorType) and passes > 1:
        raise ValueError(
            f"`{name}` must be given with a generator that has to last for "
            f"{passes} passes, as nothing else ends one: number of images // "
            f"batch_size. Received: {name}=None, and a generator"
        )
    if not _is_endless(batches):
        return
    own = getattr(batches, "steps_per_epoch", None)
    number = f"{name}=" + (
        "number of images // batch_size" if own is None else str(own)
    )
    is_dataset = hasattr(batches, "element_spec")
    kind = "tf.data.Dataset" if is_dataset else type(batches).__name__
    raise ValueError(
        f"`{name}` must be given with endless batches: {number} is one pass. "
        f"Received: {name}=None, and a {kind} without end"
    )


def _is_endless(batches):
    """Whether it is a `tf.data.Dataset` or a `PyDataset` without end."""
    cardinality = getattr(batches, "cardinality", None)
    if callable(cardinality):
        return int(cardinality()) == -1  # tf.data.INFINITE_CARDINALITY
    if not hasattr(batches, "on_epoch_end"):
        return False
    try:
        return getattr(batches, "num_batches", 0) is None
    except NotImplementedError:
        raise ValueError(
            "A PyDataset must have `__len__`, the number of its batches. "
            f"Received: {type(batches).__name__} without it"
        ) from None
