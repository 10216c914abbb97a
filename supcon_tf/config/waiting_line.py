"""A line on the terminal while something takes time that cannot be counted."""

import contextlib
import os
import threading
import time

_SECONDS = 0.5  # between two changes of the line


@contextlib.contextmanager
def waiting_line(what, *, descriptor=2, delay=2.0):
    """Says what is being done and for how long, after a while, and clears it.

    It is for steps without a number to count, such as the loading of TensorFlow
    or a fit by a library; others have a progress bar. Nothing is written to
    what is no terminal.

    Args:
      what: string, what is being done.
      descriptor: the file descriptor of the terminal, standard error by
        default. What is redirected meanwhile does not matter.
      delay: float, seconds before the line is shown.

    Yields:
      None.

    Example:
      >>> with waiting_line("linear classifier"):
      ...     total = sum(range(10))
    """
    if not os.isatty(descriptor):
        yield
        return
    terminal = os.dup(descriptor)
    is_over = threading.Event()
    thread = threading.Thread(
        target=_show, args=(terminal, what, is_over, delay), daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        os.close(terminal)


def _show(terminal, what, is_over, delay):
    start, shown = time.monotonic(), ""
    with contextlib.suppress(OSError):  # the terminal may be gone
        while not is_over.wait(_SECONDS if shown else delay):
            shown = f"{what}, {time.monotonic() - start:.0f} s"
            os.write(terminal, f"\r{shown}".encode())
        if shown:
            os.write(terminal, f"\r{' ' * len(shown)}\r".encode())
