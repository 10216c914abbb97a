"""What the commands share: a flag for each setting, errors in one line."""

import dataclasses
import sys
import typing

from absl import flags

from supcon_tf.config.settings import plain_type

_NONE = "none"


def define_flags(config_class, values):
    """Defines a flag for each field; a flag not given is None.

    A setting that may be None is set to that by `--NAME=none`.

    Args:
      config_class: dataclass whose fields are `setting`s.
      values: the `absl.flags.FlagValues` to define them in.
    """
    for field in dataclasses.fields(config_class):
        kind = plain_type(field)
        parser = {
            str: flags.ArgumentParser,
            int: flags.IntegerParser,
            float: flags.FloatParser,
            bool: flags.BooleanParser,
            tuple: flags.ListParser,
        }[typing.get_origin(kind) or kind]()
        if kind is bool:
            flags.DEFINE_bool(
                field.name, None, field.metadata["help"], flag_values=values
            )
            continue
        flags.DEFINE(
            _OrNone(parser) if kind is not field.type else parser,
            field.name,
            None,
            field.metadata["help"],
            flag_values=values,
        )


class _OrNone(flags.ArgumentParser):
    """Of a setting that may be None, which is written `none`."""

    def __init__(self, parser):
        self.parser = parser
        self.syntactic_help = getattr(parser, "syntactic_help", "")

    def parse(self, argument):
        """The value; of `none`, `none`, since None is a flag not given."""
        return argument if argument == _NONE else self.parser.parse(argument)

    def flag_type(self):
        return self.parser.flag_type()


def overridden(config, values):
    """The config with the values of the flags that were given.

    Args:
      config: a dataclass of `setting`s.
      values: parsed `absl.flags.FlagValues` that `define_flags` filled.

    Returns:
      A new config.

    Raises:
      ValueError: if a value is not allowed.
    """
    return dataclasses.replace(config, **given_settings(config, values))


def given_settings(config, values):
    """The settings whose flags were given.

    Args:
      config: as for `overridden`.
      values: as for `overridden`.

    Returns:
      Dict of names to values.

    Raises:
      ValueError: if one of a tuple is no number.
    """
    given = {}
    for field in dataclasses.fields(config):
        value = values[field.name].value
        if value is None:
            continue
        kind = plain_type(field)
        if value == _NONE and kind is not field.type:
            value = None
        elif typing.get_origin(kind) is tuple:
            number = typing.get_args(kind)[0]
            try:
                value = tuple(number(item) for item in value)
            except ValueError:
                raise ValueError(
                    f"`{field.name}` must be comma-separated numbers "
                    f"({number.__name__}). Received: {field.name}={value}"
                ) from None
        given[field.name] = value
    return given


def run_command(program, usage, values, prepare, argv=None, *, failures=()):
    """Runs a command: parses, prepares, runs.

    What is wrong with the input comes out while it prepares, as one line on
    stderr; a mistake of ours keeps its traceback.

    Args:
      program: name of the command.
      usage: text that --help prints before the flags.
      values: `absl.flags.FlagValues` with the command's flags, its own rather
        than absl's global ones, so that it can be called more than once.
      prepare: function of the parsed flags that checks everything, writes
        nothing, and returns the function that does the work.
      argv: the arguments after the program's name; `sys.argv[1:]` by default.
      failures: exceptions that are one line, too, also of the run; they are
        no mistake in the input, and have another status.

    Returns:
      The exit status.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    if {"--help", "-h", "--helpfull"} & set(argv):
        print(f"{usage.strip()}\n\nFlags of {program}:\n")
        print(values.get_help(include_special_flags=False))
        return 0
    try:
        positional = values([program, *argv])[1:]
        if positional:
            raise ValueError(
                f"{program} takes flags alone. Received: {positional}"
            )
        run = prepare(values)
    except failures as error:
        return _refused(program, error, status=1)
    except (ValueError, OSError, flags.Error) as error:
        return _refused(program, error, status=2)
    try:
        run()
    except failures as error:
        return _refused(program, error, status=1)
    return 0


def _refused(program, error, status):
    line = " ".join(str(error).split())
    print(f"{program}: error: {line}", file=sys.stderr)
    return status
