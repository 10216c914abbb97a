"""The last lines of a command: what came out, where it is, what comes next."""

import shlex


def print_last_lines(
    result, *, compared=(), more=None, folder=None, written=(), following=()
):
    """Prints the five lines at most that a person wants at the end of a run.

    All numbers are in a file; here stand those that people look for.

    Args:
      result: the outcome, in words.
      compared: pairs of a number and what it is, to compare the outcome with.
        Pairs with None are left out: what was not measured is not told.
      more: another line, or None.
      folder: path of the folder that was written to, or None.
      written: names of the files in it.
      following: commands that may come next.

    Example:
      >>> print_last_lines(
      ...     "top-1 0.9917 on 360 test images",
      ...     compared=[(0.9861, "nearest training image"), (None, "chance")],
      ...     folder="runs/my digits",
      ...     written=["classifier.keras", "linear_eval.json"],
      ...     following=["supcon-hub-export --workdir='runs/my digits'"],
      ... )
      top-1 0.9917 on 360 test images
      To compare with: 0.9861, nearest training image
      Wrote classifier.keras and linear_eval.json to runs/my digits
      Next: supcon-hub-export --workdir='runs/my digits'
    """
    lines = [result]
    known = [f"{x:.4f}, {words}" for x, words in compared if x is not None]
    if known:
        lines.append(f"To compare with: {'; '.join(known)}")
    if more:
        lines.append(more)
    if written:
        *others, last = written
        names = f"{', '.join(others)} and {last}" if others else last
        lines.append(f"Wrote {names} to {folder}")
    if following:
        lines.append(f"Next: {', or '.join(following)}")
    print("\n".join(lines), flush=True)


def shell_word(path):
    """A path as it is typed in a command.

    Args:
      path: string or path.

    Returns:
      A string, in quotes where a shell needs them.

    Example:
      >>> shell_word("my runs/a")
      "'my runs/a'"
    """
    return shlex.quote(str(path))
