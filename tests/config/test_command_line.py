import dataclasses
import importlib.metadata
import os
import signal
import subprocess
import sys
import time

import pytest
from absl import flags

import supcon_tf
from supcon_tf.config import LinearEvalConfig, PretrainConfig
from supcon_tf.config.command_line import define_flags, overridden, run_command
from supcon_tf.errors import RunStoppedError
from supcon_tf.recipes import RECIPES


def parsed(*arguments, config_class=PretrainConfig):
    values = flags.FlagValues()
    define_flags(config_class, values)
    values(["command", *arguments])
    return values


def test_every_field_is_a_flag_that_overrides_the_recipes_value():
    recipe = RECIPES["digits"]
    values = parsed(
        "--epochs=3",
        "--temperature=0.5",
        "--download",
        "--projection_units=64,32",
        "--mean=0.1,0.2,0.3",
        "--learning_rate=0.7",
        "--data_dir=/somewhere",
        "--nosync_batch_norm",
        "--queue_size=64",
        "--encoder_momentum=0.5",
    )
    config = overridden(recipe, values)
    assert config == dataclasses.replace(
        recipe,
        epochs=3,
        temperature=0.5,
        download=True,
        projection_units=(64, 32),
        mean=(0.1, 0.2, 0.3),
        learning_rate=0.7,
        data_dir="/somewhere",
        sync_batch_norm=False,
        queue_size=64,
        encoder_momentum=0.5,
    )
    for field in dataclasses.fields(PretrainConfig):
        assert field.name in values
        assert field.metadata["help"]


def test_none_is_the_value_of_a_setting_that_may_be_none():
    recipe = dataclasses.replace(
        RECIPES["digits"], learning_rate=0.5, crop_area=(0.5, 1.0), data_dir="x"
    )
    values = parsed(
        "--learning_rate=none", "--crop_area=none", "--data_dir=none"
    )
    config = overridden(recipe, values)
    assert config.learning_rate is None
    assert config.crop_area is None
    assert config.data_dir is None
    with pytest.raises(flags.IllegalFlagValueError):
        parsed("--epochs=none")


def test_without_flags_the_recipe_is_what_it_was():
    for recipe in RECIPES.values():
        assert overridden(recipe, parsed()) == recipe


def test_flags_can_be_defined_more_than_once():
    parsed("--epochs=1")
    assert parsed("--epochs=2")["epochs"].value == 2


def run(*arguments, prepare=lambda values: lambda: None):
    values = flags.FlagValues()
    define_flags(LinearEvalConfig, values)
    return run_command(
        "the-command", "What it does.", values, prepare, arguments
    )


def test_a_command_runs_what_it_prepared():
    ran = []
    status = run("--max_iterations=5", prepare=lambda v: lambda: ran.append(v))
    assert status == 0
    assert ran[0]["max_iterations"].value == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--l3=5"], "l3"),
        (["--max_iterations=many"], "max_iterations"),
        (["positional"], "positional"),
    ],
)
def test_wrong_flags_are_one_line_on_stderr(arguments, words, capsys):
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("the-command: error: ")
    assert err.count("\n") == 1
    assert words in err


def test_what_preparing_refuses_is_one_line_on_stderr(capsys):
    def prepare(values):
        raise ValueError("`a` must be b.\nReceived: c")

    assert run(prepare=prepare) == 2
    assert capsys.readouterr().err == (
        "the-command: error: `a` must be b. Received: c\n"
    )


def test_a_mistake_of_ours_keeps_its_traceback():
    def fail():
        raise ValueError("while running")

    with pytest.raises(ValueError, match="while running"):
        run(prepare=lambda values: fail)


def test_help_begins_with_the_usage_and_names_every_flag(capsys):
    assert run("--help") == 0
    short = capsys.readouterr().out
    assert run("--helpfull") == 0
    full = capsys.readouterr().out
    assert len(short) < len(full) / 2
    for out in (short, full):
        assert out.startswith("What it does.")
        for field in dataclasses.fields(LinearEvalConfig):
            assert f"--{field.name}" in out or f"--[no]{field.name}" in out
    first, _, rest = short.partition("Further flags, which the-command --help")
    for field in dataclasses.fields(LinearEvalConfig):
        is_first = f"  --{field.name}: " in first
        assert is_first == field.metadata["matters"], field.name
    assert "With --method=fast: --max_iterations" in rest
    assert "    --max_iterations: fast: iterations" not in full
    assert "  --max_iterations: fast: iterations of L-BFGS" in full


def test_a_failure_that_is_expected_is_one_line_too(capsys):
    class FullError(RunStoppedError):
        pass

    def fail():
        raise FullError("no space")

    values = flags.FlagValues()
    status = run_command("the-command", "", values, lambda v: fail, [])
    assert status == 1
    assert capsys.readouterr().err == "the-command: error: no space\n"
    status = run_command("the-command", "", values, lambda v: fail(), [])
    assert status == 1
    assert capsys.readouterr().err == "the-command: error: no space\n"


STOPPED = """
import pathlib, sys, time
from absl import flags
from supcon_tf.config.command_line import run_command
from supcon_tf.files import only_writer, written_whole

folder = pathlib.Path(sys.argv.pop())

def run():
    with only_writer(folder), written_whole(folder / "a.txt") as path:
        path.write_text("half")
        print("writing", flush=True)
        time.sleep(60)

sys.exit(run_command("program", "usage", flags.FlagValues(), lambda _: run))
"""


@pytest.fixture
def heeded_signals():
    """Signals as they are by default, also where nohup started the tests."""
    before = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    for number, handler in before.items():
        before[number] = signal.signal(number, handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.slow
@pytest.mark.usefixtures("heeded_signals")
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
)
def test_a_signal_ends_a_command_in_one_line_without_half_a_file(
    number, tmp_path
):
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "writing\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert len(err.splitlines()) == 1
    assert err.startswith("program: stopped. The same command goes on")
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.usefixtures("heeded_signals")
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
)
def test_a_signal_that_compiled_code_reports_as_its_own_error_is_one_line(
    number, capsys
):
    def run():
        try:
            os.kill(os.getpid(), number)
            time.sleep(9)
        except BaseException as error:
            raise SystemError("returned a result with an exception") from error

    values = flags.FlagValues()
    status = run_command("program", "usage", values, lambda _: run, [])
    assert status == 128 + number
    err = capsys.readouterr().err
    assert err.startswith("program: stopped.") and err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_was_ignored_stays_ignored(number, capsys):
    """nohup has it so, and a shell for what runs in the background."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        values = flags.FlagValues()
        status = run_command(
            "program",
            "usage",
            values,
            lambda _: lambda: os.kill(os.getpid(), number),
            [],
        )
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)
    assert status == 0 and not capsys.readouterr().err


def test_a_current_folder_that_is_gone_is_named(tmp_path, monkeypatch, capsys):
    """The line was: [Errno 2] No such file or directory."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    values = flags.FlagValues()
    status = run_command("program", "", values, lambda _: os.getcwd(), [])
    monkeypatch.chdir(tmp_path)
    assert status == 2
    assert "current folder has been removed" in capsys.readouterr().err


def test_an_error_of_ours_keeps_its_traceback():
    def run():
        raise SystemError("ours")

    with pytest.raises(SystemError, match="ours"):
        run_command("program", "usage", flags.FlagValues(), lambda _: run, [])


WAITING = """
import signal, time
from absl import flags
from supcon_tf.config import command_line

command_line._SECONDS_TO_CLEAR = 0.2

def run():
    # This holds Python as an operation of TensorFlow does.
    signal.signal(signal.SIGTERM, lambda *_: time.sleep(60))
    print("waiting", flush=True)
    time.sleep(60)

command_line.run_command("program", "usage", flags.FlagValues(), lambda _: run)
"""


@pytest.mark.slow
def test_a_command_that_cannot_unwind_ends_nevertheless():
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM


def test_every_command_says_its_version(capsys):
    values = flags.FlagValues()
    assert run_command("program", "usage", values, None, ["--version"]) == 0
    version = importlib.metadata.version("supcon_tf")
    assert capsys.readouterr().out == f"program {version}\n"
    assert supcon_tf.__version__ == version
