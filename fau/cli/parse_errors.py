"""jsonargparse's nested complaints as one sentence that names the setting and the way out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from fau.errors import FauError

_KEY = re.compile(r'Parser key "([^"]+)":?\s*')
_UNKNOWN = re.compile(r"(?:Group '(?P<group>[^']+)' does not accept option|Option) '(?P<option>[^']+)'")
_NO_CLASS = re.compile(r"Expected a dot import path string: (.*)|.*has no attribute '(.*)'|No module named '(.*)'")
_EXPECTED = re.compile(r"Expected an? (?:<class '([\w.]+)'>|typing.Literal\[([^\]]+)\])")
_REQUIRED = re.compile(r"the following arguments are required: (.*)")
_OF_CLASS = re.compile(r"class_path[ =]'([\w.]+)'")
_GIVEN = re.compile(r"(?:Given value|Got value): (.*)")
_CLASS_GIVEN = re.compile(r"expects a function or a callable class: .*Got value: (\S+)$")
_CONFIG = re.compile(r"(--config|-c)(=|$)")
_WHERE_LISTED = "fau-train --print_config lists the settings"


def one_sentence(error: BaseException) -> str:
    """Reduce what parsing a command line, or instantiating its classes, raised.

    The text of the error lists every type that was tried at every level; the chain of its causes leads to the one
    setting that is wrong.

    Returns:
        The sentence of our own error, where one is among the causes; else one that names the key or the file, the
        value, and what would be accepted, as far as the chain says.
    """
    ours = our_error(error)
    if ours is not None:
        return str(ours)
    keys: list[str] = []
    about_key = reason = class_given = of_class = ""
    for cause in _causes(error):
        reason = " ".join(str(cause).split())
        if wanted := _CLASS_GIVEN.search(reason):
            class_given = wanted[1]
        if classes := _OF_CLASS.findall(reason):  # the innermost class is the last that an error names
            of_class = classes[-1]
        found = _KEY.match(reason)
        if found:
            about_key = reason
            if [found[1]] != keys[-1:]:  # each error is raised anew on its way out
                keys.append(found[1])
    reason = _KEY.sub("", reason, count=1)
    key = ".".join(keys)
    if reason.startswith("unrecognized arguments:"):
        unknown_words = reason.removeprefix("unrecognized arguments:").strip()
        if unknown_words.endswith((".yaml", ".yml")) and not unknown_words.startswith("-"):
            return f"'{unknown_words}' is no setting; to take settings from a file, write --config {unknown_words}"
        return f"unknown setting {unknown_words}; {_WHERE_LISTED}"
    if unknown := _UNKNOWN.match(reason):
        path = ".".join(filter(None, (key, unknown["group"], unknown["option"])))
        return f"unknown setting '{path}'; {_WHERE_LISTED}"
    if named := _NO_CLASS.match(reason):
        name = class_given or next(filter(None, named.groups()))
        return f"setting '{key}' cannot be '{name}': no class of that name fits; give its import path"
    if required := _REQUIRED.match(reason):
        names = required[1].split(", ")
        settings = " and ".join(f"{key}.{name}" for name in names)
        return f"setting '{key}': {of_class} has no default for {' and '.join(names)}; set {settings}"
    given = _GIVEN.search(reason)
    if given and _EXPECTED.match(reason):
        kinds = [
            kind.replace("NoneType", "null") or f"one of {choices}" for kind, choices in _EXPECTED.findall(about_key)
        ]
        quotes = " (in quotes, in a file)" if kinds == ["str"] else ""
        return f"setting '{key}' cannot be '{given[1]}': expected {' or '.join(dict.fromkeys(kinds))}{quotes}"
    return f"setting '{key}': {reason}" if key else reason


def our_error(error: BaseException) -> FauError | None:
    """Return the error of ours among the causes of what instantiating classes raised, if there is one."""
    return next((cause for cause in _causes(error) if isinstance(cause, FauError)), None)


def broken_file(args: Sequence[str]) -> str | None:
    """Name the first configuration file of a command line that is no YAML; jsonargparse does not.

    Returns:
        The sentence, or None if all of them can be read.
    """
    pairs = zip(args, [*args[1:], ""], strict=True)
    files = [arg.removeprefix("--config=") if "=" in arg else value for arg, value in pairs if _CONFIG.match(arg)]
    for file in filter(os.path.isfile, files):
        try:
            yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            return f"'{file}' is no YAML file: {' '.join(str(error).split())}"
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__ or following.__context__
