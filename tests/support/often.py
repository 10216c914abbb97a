"""Which cases of a test run in `make test`; the rest run before a release."""

import pytest


def often(cases, *names):
    """The cases as parameters, all but the named ones marked `release`.

    Args:
      cases: values of one parameter; or a dict from names to them.
      *names: the values, or the names, of those that run in `make test`.

    Returns:
      List for `pytest.mark.parametrize`.
    """
    named = cases if isinstance(cases, dict) else {case: case for case in cases}
    unknown = set(names) - set(named)
    assert not unknown, unknown
    return [
        pytest.param(
            case,
            marks=() if name in names else pytest.mark.release,
            id=getattr(name, "__name__", str(name)),
        )
        for name, case in named.items()
    ]
