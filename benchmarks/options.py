"""The options of the benchmarks' commands, and the JSON that they write."""

import argparse
import pathlib

from supcon_tf.files import write_json


def parser_of(name, description):
    """A parser of `python -m benchmarks.NAME`, which takes `--json`.

    Args:
      name: the file of the benchmark, without its ending.
      description: its docstring.
    """
    parser = argparse.ArgumentParser(
        prog=f"benchmarks.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--json", type=pathlib.Path, metavar="PATH", help="file to write"
    )
    return parser


def add_windows(parser, *, seconds):
    """Adds how often, and how long each time, a rate is measured.

    Args:
      parser: as `parser_of` made it.
      seconds: float, the length if it is not given.
    """
    parser.add_argument(
        "--repeats",
        type=int,
        default=5,
        help="windows of time of each case (default: %(default)s)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=seconds,
        help="length of a window (default: %(default)s)",
    )


def parsed(parser, argv, *, at_least_1=("repeats",)):
    """Parses options, and refuses numbers that are too low.

    Args:
      parser: as `parser_of` made it.
      argv: list of strings, or None for those of the process.
      at_least_1: names of the options that must be >= 1. An option `seconds`
        must be > 0.
    """
    options = parser.parse_args(argv)
    for name in at_least_1:
        value = getattr(options, name)
        if value < 1:
            parser.error(f"`{name}` must be >= 1. Received: {value}")
    if "seconds" in options and not options.seconds > 0:
        parser.error(f"`seconds` must be > 0. Received: {options.seconds}")
    return options


def write_report(path, report):
    """Writes what was measured as JSON, whole or not at all.

    Args:
      path: `pathlib.Path`, or None, which writes nothing.
      report: what JSON can hold.
    """
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, report)
