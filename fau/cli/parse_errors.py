"""jsonargparse's nested complaints as one sentence that names the setting and the way out."""

from __future__ import annotations

import re

_UNKNOWN_OPTION = re.compile(r"Option '([^']+)' is not accepted")
_CLASS_PATH = re.compile(r"class_path='?([\w.]+)'|given class_path '([\w.]+)'")
_KEY = re.compile(r'(?:Parser key|[Kk]ey) "([^"]+)"')
_GIVEN = re.compile(r"(?:Given value|Got value): (.*)", re.DOTALL)
_EXPECTED = re.compile(r"Expected an? <class '([\w.]+)'>|Expected a typing.Literal\[([^\]]+)\]")
_NESTED = re.compile(r"NestedArg\(key='([^']+)', val='([^']*)'\)")
_WHERE_LISTED = "fau-train --print_config lists the settings"


def one_sentence(message: str) -> str:
    """Reduce a parser's message.

    Args:
        message: The text of a ``jsonargparse.ArgumentError``, often several lines that repeat each other.

    Returns:
        A sentence that names the key or the file, the value, and what would be accepted, as far as the message says.
    """
    flat = " ".join(line.strip() for line in message.splitlines() if line.strip())
    unknown = _UNKNOWN_OPTION.search(message)
    if unknown:
        classes = [first or second for first, second in _CLASS_PATH.findall(message)]
        owner = f" of {classes[-1]}" if classes else ""
        return f"unknown setting '{unknown[1]}'{owner}; {_WHERE_LISTED}"
    if flat.startswith("unrecognized arguments:"):
        return f"unknown setting {flat.removeprefix('unrecognized arguments:').strip()}; {_WHERE_LISTED}"
    nested = _NESTED.search(flat)
    if nested:
        key, value = nested.groups()
        return f"setting '{key}' cannot be '{value}': no class of that name fits; give its import path"
    keys, given, expected = _KEY.findall(message), _GIVEN.search(flat), _EXPECTED.findall(message)
    if keys and given and expected:
        types = [kind.replace("NoneType", "null") or f"one of {choices}" for kind, choices in expected]
        value = given[1].split(" Given value")[0].split(" - Expected")[0].strip()
        return f"setting '{keys[-1]}' cannot be '{value}': expected {' or '.join(dict.fromkeys(types))}"
    return _KEY.sub(r"setting '\1'", flat)
