"""Settings: fields of frozen dataclasses that are checked, also as JSON."""

import dataclasses
import json
import math
import types
import typing

from supcon_tf.errors import nearest
from supcon_tf.files import as_json, read_text


def setting(
    default,
    help_text,
    allowed=None,
    *,
    heading="Further settings",
    matters=False,
):
    """A dataclass field that is a flag.

    Args:
      default: the value where no recipe says otherwise.
      help_text: text of the flag.
      allowed: None, or a pair: a predicate and what it allows, in words.
      heading: under which --help lists the flag.
      matters: whether --help begins with it instead, among the about ten flags
        of a command that people set.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "help": help_text,
            "allowed": allowed,
            "heading": heading,
            "matters": matters,
        },
    )


class Checked:
    """A dataclass of `setting`s: each has its type and an allowed value.

    Raises:
      ValueError: if one has not.
    """

    def __post_init__(self):
        for field in dataclasses.fields(self):
            check_setting(field, getattr(self, field.name))


def check_setting(field, value):
    """Refuses a value that is not of a setting's type, or not allowed.

    Args:
      field: of a dataclass, made by `setting`.
      value: what it is to be.

    Raises:
      ValueError: if it is so.
    """
    _check_type(field, value)
    allowed = field.metadata["allowed"]
    if allowed is not None and not allowed[0](value):
        raise ValueError(
            f"`{field.name}` must be {allowed[1]}. "
            f"Received: {field.name}={value!r}"
        )


def refuse_unused(config, unused, given=None):
    """Refuses settings that somebody gave although they have no effect.

    Args:
      config: a dataclass of `setting`s.
      unused: dict of the names of settings without effect to what makes them
        so, such as `"schedule='cosine'"`.
      given: dict of the settings that were given. None: those of the config
        that are not their defaults.

    Raises:
      ValueError: if one is so.
    """
    for field in dataclasses.fields(config):
        if field.name not in unused:
            continue
        if given is None:
            value, nothing = getattr(config, field.name), field.default
        else:
            value, nothing = given.get(field.name), None
        if value != nothing:
            raise ValueError(
                f"`{field.name}` must be left out with {unused[field.name]}, "
                f"which has no such thing. Received: {field.name}={value}"
            )


def to_json(config):
    """A config as indented JSON text."""
    return as_json(dataclasses.asdict(config))


def read_json(config_class, path, *, required=()):
    """The config that `to_json` wrote to a file.

    Args:
      config_class: its dataclass.
      path: `pathlib.Path` of the file.
      required: names of the fields that must be there; the others have their
        defaults if they are not.

    Returns:
      A `config_class`.

    Raises:
      ValueError: if the file is missing or is not such JSON.
    """
    names = {field.name for field in dataclasses.fields(config_class)}
    try:
        values = json.loads(read_text(path))
        # An older version had fewer settings. It did what are defaults now.
        if not isinstance(values, dict) or not values.keys() >= set(required):
            raise ValueError(f"not the fields {sorted(required)}")
        if not values.keys() <= names:
            raise ValueError(f"unknown fields {sorted(values.keys() - names)}")
        return config_class(
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in values.items()
            }
        )
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} must hold the settings that supcon-pretrain writes. "
            f"Received: {error}"
        ) from error


def plain_type(field):
    """The type of a field without `| None`."""
    options = typing.get_args(field.type)
    if isinstance(field.type, types.UnionType):
        return next(t for t in options if t is not types.NoneType)
    return field.type


def _check_type(field, value):
    kind = plain_type(field)
    optional = kind is not field.type
    if value is None and optional:
        return
    items = value if isinstance(value, tuple) else (value,)
    if typing.get_origin(kind) is tuple:
        matches = isinstance(value, tuple)
        kind = typing.get_args(kind)[0]
    else:
        matches = not isinstance(value, tuple)
    for item in items:
        matches &= isinstance(item, (int, float) if kind is float else kind)
        matches &= kind is bool or not isinstance(item, bool)
        matches &= not isinstance(item, float) or math.isfinite(item)
        # (A larger int has no float, and is no number of anything.)
        matches &= not isinstance(item, int) or abs(item) < 2**63
    if not matches:
        words = {float: "a finite number", int: "an integer"}
        raise ValueError(
            f"`{field.name}` must be {words.get(kind, kind.__name__)}"
            f"{' or a tuple of them' if isinstance(value, tuple) else ''}. "
            f"Received: {field.name}={value!r}"
        )


def named(table, name, key):
    """An entry of a table; raises a ValueError that lists them all."""
    if key not in table:
        raise ValueError(
            f"`{name}` must be one of {sorted(table)}. Received: {name}={key!r}"
            f"{nearest(key, table)}"
        )
    return table[key]
