"""One sentence out of jsonargparse's errors, which list every type that they tried."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fau.errors import FauError

_KEY = re.compile(r'Parser key "([^"]+)"')


def _chain(error: BaseException) -> Iterator[BaseException]:
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__ or following.__context__


def explain(error: BaseException) -> str:
    """Say what is wrong with a configuration: the key, and the innermost reason.

    Args:
        error: What parsing a command line or instantiating its classes raised.

    Returns:
        The sentence of our own error where one is the cause; else the full key and the reason, such as
        ``model.net.attention: expected bool, got 'maybe'``.
    """
    keys: list[str] = []
    reason = ""
    for cause in _chain(error):
        if isinstance(cause, FauError):
            return str(cause)
        reason = " ".join(str(cause).split())
        found = _KEY.match(reason)
        if found and [found[1]] != keys[-1:]:  # each error is raised anew on its way out
            keys.append(found[1])
    reason = _KEY.sub("", reason, count=1).lstrip(": ") if keys else reason
    expected = re.fullmatch(r"Expected a <class '(\w+)'>\. Got value: (.*)", reason)
    if expected:
        reason = f"expected {expected[1]}, got '{expected[2]}'"
    return f"{'.'.join(keys)}: {reason}" if keys else reason
