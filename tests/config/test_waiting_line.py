"""The line that says what is being done, on a pseudo-terminal."""

import os
import time

from supcon_tf.config.waiting_line import waiting_line


def read_until(reading, terminal, last):
    """What a terminal was sent, which may come in pieces, up to a last word."""
    os.write(terminal, last.encode())
    text = ""
    while not text.endswith(last):
        text += os.read(reading, 10_000).decode()
    return text


def shown_by(seconds, *, delay):
    """What a terminal gets from a step that takes so long."""
    reading, terminal = os.openpty()
    with waiting_line("loading", descriptor=terminal, delay=delay):
        time.sleep(seconds)
    text = read_until(reading, terminal, "end")
    os.close(terminal)
    os.close(reading)
    return text


def test_a_step_that_takes_long_is_named_and_cleared():
    shown = shown_by(0.1, delay=0.01)
    assert shown == "\rloading, 0 s\r" + " " * len("loading, 0 s") + "\rend"


def test_a_quick_step_writes_nothing():
    assert shown_by(0, delay=5) == "end"


def test_a_file_gets_no_line(tmp_path):
    path = tmp_path / "errors.txt"
    with path.open("wb") as file:
        with waiting_line("loading", descriptor=file.fileno(), delay=0.01):
            time.sleep(0.05)
    assert path.read_bytes() == b""


def test_an_error_ends_the_line():
    reading, terminal = os.openpty()
    try:
        with waiting_line("loading", descriptor=terminal, delay=0.01):
            time.sleep(0.1)
            raise ValueError
    except ValueError:
        shown = read_until(reading, terminal, "refused")
    assert shown.endswith(" \rrefused")
