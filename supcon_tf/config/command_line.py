"""The commands share this: a flag for each setting, errors in one line."""

import contextlib
import dataclasses
import os
import re
import signal
import sys
import tempfile
import threading
import time
import typing

from absl import flags

import supcon_tf
from supcon_tf.config.help_text import help_text, under_heading
from supcon_tf.config.settings import check_setting, plain_type
from supcon_tf.config.waiting_line import waiting_line
from supcon_tf.errors import RunStoppedError

_NONE = "none"
# INFO of absl's C++ log, the warning that it starts, what a CPU build says of
# GPUs and of its instructions.
_START_UP_LINE = re.compile(
    r"I\d{4} |\d{4}-\d\d-\d\d [\d:.]+: I |WARNING: All log messages before"
    r"|To enable the following instructions|.*cuInit: |\s*from pkg_resources"
    r"|.*pkg_resources is deprecated"
)


def define_flags(config_class, values, choices=None, *, come_first=True):
    """Defines a flag for each field; a flag not given is None.

    A setting that may be None is set to that by `--NAME=none`.

    Args:
      config_class: dataclass whose fields are `setting`s.
      values: the `absl.flags.FlagValues` to define them in.
      choices: dict of the names of settings to what they may be, in words, for
        the help texts that leave a place for it.
      come_first: whether --help begins with the settings that matter. A command
        with many flags of its own lists them all under their headings.
    """
    choices = choices or {}
    for field in dataclasses.fields(config_class):
        text = field.metadata["help"].format(
            choices=choices.get(field.name, "a name")
        )
        kind = plain_type(field)
        parser = {
            str: flags.ArgumentParser,
            int: flags.IntegerParser,
            float: flags.FloatParser,
            bool: flags.BooleanParser,
            tuple: flags.ListParser,
        }[typing.get_origin(kind) or kind]()
        # absl calls it a module, and keeps the flags of each together.
        under = {"module_name": under_heading(field.metadata["heading"])}
        if field.metadata["matters"] and come_first:
            under = {}
        if kind is bool:
            flags.DEFINE_bool(
                field.name, None, text, flag_values=values, **under
            )
            continue
        flags.DEFINE(
            _OrNone(parser) if kind is not field.type else parser,
            field.name,
            None,
            text,
            flag_values=values,
            **under,
        )


class _OrNone(flags.ArgumentParser):
    """The parser of a setting that may be None, written `none`."""

    def __init__(self, parser):
        self.parser = parser
        self.syntactic_help = getattr(parser, "syntactic_help", "")

    def parse(self, argument):
        """Parses the value.

        `none` is returned as that string, since None means a flag that was not
        given.
        """
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
      ValueError: if a value is not allowed.
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
        check_setting(field, value)
        given[field.name] = value
    return given


def run_command(
    program, usage, values, prepare, argv=None, *, takes_names=False
):
    """Runs a command: parses, prepares, runs.

    It refuses wrong input while it prepares, by one line on stderr; a mistake
    of ours keeps its traceback. A `RunStoppedError` is one
    line, too, also of the run: it is no mistake in the input, and has another
    status.

    Args:
      program: name of the command.
      usage: text that --help prints before the flags, with examples.
      values: `absl.flags.FlagValues` with the command's flags, its own rather
        than absl's global ones, so that it can be called more than once.
      prepare: function of the parsed flags that checks everything, writes
        nothing, and returns the function that does the work.
      argv: the arguments after the program's name; `sys.argv[1:]` by default.
      takes_names: whether the command takes names of files besides its flags,
        before or after them. `prepare` then gets them, too, as a list.

    Returns:
      The exit status: 128 + the number of the signal that stopped it, 130 for
      Ctrl-C, 143 for SIGTERM, and 129 where its terminal was closed.
    """
    is_program = argv is None
    argv = sys.argv[1:] if is_program else list(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # 0 is all
    if {"--help", "-h", "--helpfull"} & set(argv):
        is_full = "--helpfull" in argv
        print(help_text(program, usage, values, is_full=is_full))
        return 0
    if "--version" in argv:
        print(f"{program} {supcon_tf.__version__}")
        return 0
    try:
        with _stopped_by_signals(is_program):
            return _prepared_and_run(
                program, values, prepare, argv, takes_names
            )
    except _StoppedBySignal as stopped:
        with contextlib.suppress(OSError):  # the terminal may be gone
            print(
                f"{program}: stopped. The same command goes on, or starts anew "
                "where nothing was kept.",
                file=sys.stderr,
            )
            sys.stdout.flush()
            sys.stderr.flush()
        if is_program:  # threads of TensorFlow would wait for their work
            os._exit(stopped.status)
        return stopped.status


def _prepared_and_run(program, values, prepare, argv, takes_names):
    """Parses the flags, prepares and runs; returns the exit status."""
    try:
        values.set_gnu_getopt(takes_names)
        positional = values([program, *argv])[1:]
        if positional and not takes_names:
            raise ValueError(
                f"{program} takes flags alone. Received: {positional}"
            )
        waiting = waiting_line(f"{program}: loading and checking")
        with waiting, _without_start_up_lines():
            run = prepare(values, *([positional] if takes_names else []))
    except RunStoppedError as error:
        return _refused(program, error, status=1)
    except (ValueError, OSError, flags.Error) as error:
        told = error
        if _is_nowhere():
            told = "the current folder has been removed: `cd` to another"
        return _refused(program, told, status=2)
    try:
        run()
    except RunStoppedError as error:
        return _refused(program, error, status=1)
    return 0


def _is_nowhere():
    """Whether the current folder is gone, so that no relative path is one."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


class _StoppedBySignal(BaseException):
    """SIGINT or SIGTERM asked the process to end; files are whole or absent.

    It is no Exception, so that no code on the way takes it for its own error.
    """

    def __init__(self, number):
        super().__init__(number)
        self.status = 128 + number


@contextlib.contextmanager
def _stopped_by_signals(is_program):
    """Lets the signals unwind the stack, so that what is open is cleared.

    Python sees a signal when TensorFlow has finished its operation. One that
    waits for another machine may never: the program then ends by itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    stopped_by = []

    def stop(number, frame):
        del frame
        stopped_by.append(number)
        for other in _SIGNALS:  # a second one does not disturb the clearing
            signal.signal(other, signal.SIG_IGN)
        raise _StoppedBySignal(number)

    before = {
        number: signal.signal(number, stop)
        for number in _SIGNALS
        if signal.getsignal(number) != signal.SIG_IGN  # as nohup has it
    }
    with contextlib.ExitStack() as stack:
        if is_program:
            stack.enter_context(_ends_after(_SECONDS_TO_CLEAR))
        try:
            yield
        except Exception as error:
            # Compiled code on the way may report it as an error of its own.
            if stopped_by:
                raise _StoppedBySignal(stopped_by[0]) from error
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)


@contextlib.contextmanager
def _ends_after(seconds):
    """Ends the process that long after a signal, if it has not ended before."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # Python writes the number of a signal there at once.
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def watch():
        while number := os.read(reading, 1):
            if number[0] in _SIGNALS:
                time.sleep(seconds)
                os._exit(128 + number[0])

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)


_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    # A terminal that is closed; Windows has none.
    *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else ()),
)
_SECONDS_TO_CLEAR = 10


def _refused(program, error, status):
    line = " ".join(str(error).split())
    print(f"{program}: error: {line}", file=sys.stderr)
    return status


@contextlib.contextmanager
def _without_start_up_lines():
    """Keeps TensorFlow's first lines from standard error.

    It writes some before it has read its own log level, and from C++, past
    Python's `sys.stderr`. What is written meanwhile is looked through and
    passed on without lines below the level of warnings.
    """
    if "tensorflow" in sys.modules or not hasattr(os, "dup2"):
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept, _duplicate_of(2) as stderr:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            kept.seek(0)
            for line in kept.read().decode(errors="replace").splitlines():
                if not _START_UP_LINE.match(line):
                    print(line, file=sys.stderr)


@contextlib.contextmanager
def _duplicate_of(descriptor):
    duplicate = os.dup(descriptor)
    try:
        yield duplicate
    finally:
        os.close(duplicate)
