"""Files that are not read: why, and as text for a person."""

from typing import NamedTuple


class LeftOut(NamedTuple):
    """A file that is not read.

    Attributes:
      path: str, below the folder, as it can be printed.
      reason: str, in words that many files share.
      detail: str, what besides is known of this file, or "".
      is_damaged: bool, whether it should be an image and cannot be read.
    """

    path: str
    reason: str
    detail: str = ""
    is_damaged: bool = False

    def __str__(self):
        return f"{self.path} ({self.detail})" if self.detail else self.path


def left_out_lines(left_out, *, names=None):
    """A line for each reason: how many files, why, and which.

    Args:
      left_out: iterable of `LeftOut`.
      names: int >= 1, how many names of each are given; None gives all.

    Returns:
      List of str.

    Example:
      >>> left_out_lines([LeftOut("a.mov", "video"), LeftOut("b.avi", "video")])
      ['     2  video: a.mov, b.avi']
    """
    return [
        f"{len(files):6,}  {reason}: {some_of(list(map(str, files)), names)}"
        for reason, files in by_reason(left_out).items()
    ]


def some_of(names, limit):
    """Names with commas, and how many more there are.

    Args:
      names: list of str.
      limit: int >= 1, how many are given; None gives all.

    Returns:
      str.

    Example:
      >>> some_of(["a", "b", "c"], 1)
      'a and 2 more'
    """
    if limit is None or len(names) <= limit:
        return ", ".join(names)
    more = len(names) - limit
    return f"{', '.join(names[:limit])} and {more:,} more"


def by_reason(left_out):
    """Files that are left out, by the reason.

    Args:
      left_out: iterable of `LeftOut`.

    Returns:
      dict of the reasons, sorted, to lists of `LeftOut`.

    Example:
      >>> by_reason([LeftOut("a.mov", "video")])["video"][0].path
      'a.mov'
    """
    reasons = {}
    for file in left_out:
        reasons.setdefault(file.reason, []).append(file)
    return dict(sorted(reasons.items()))


def count_of(number, what):
    """A number with its noun, which gets an s for more than one.

    Args:
      number: int.
      what: str, the noun of one.

    Returns:
      str.

    Example:
      >>> count_of(1, "image"), count_of(1200, "folder"), count_of(0, "class")
      ('1 image', '1,200 folders', 'no classes')
    """
    if number == 1:
        return f"1 {what}"
    amount = f"{number:,}" if number else "no"
    return f"{amount} {what}{'es' if what.endswith('s') else 's'}"
