"""jsonargparse's nested complaints as one sentence that names the setting and the way out."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import yaml

from fau.errors import FauError

_KEY = re.compile(r'Parser key "([^"]+)":?\s*')
_UNKNOWN = re.compile(r"(?:Group '(?P<group>[^']+)' does not accept option|Option) '(?P<option>[^']+)'")
_NO_CLASS = re.compile(r"Expected a dot import path string: (.*)|.*has no attribute '(.*)'")
_NO_SUBCLASS = re.compile(r"Expected '(.+)' to be a subclass of <class '(\w+)'>")
_NO_KEY = re.compile(r"Interpolation key '([^']*)' not found")
_EXPECTED = re.compile(r"Expected an? (?:<class '([\w.]+)'>|typing.Literal\[([^\]]+)\])")
_REQUIRED = re.compile(r"the following arguments are required: (.*)")
_OF_CLASS = re.compile(r"class_path[ =]'([\w.]+)'")
_GIVEN = re.compile(r"(?:Given value|Got value): (.*)")
_CLASS_GIVEN = re.compile(r"expects a function or a callable class: .*Got value: (\S+)$")
_CLASS_PATH = re.compile(r"Problem with given class_path '([^']+)': (?!Parser key)")
_SETTING = re.compile(r"setting '([\w.]+)'")
_MISSING = object()
_SWEEP_KEYS = {"method", "command", "program"}
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
    failed: ImportError | None = None
    for cause in _causes(error):
        reason = " ".join(str(cause).split())
        failed = cause if isinstance(cause, ImportError) and cause.name else None  # jsonargparse's own have no name
        if wanted := _CLASS_GIVEN.search(reason):
            class_given = wanted[1]
        elif classes := _CLASS_PATH.findall(reason):
            class_given = classes[-1]
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
    if failed is not None and class_given:
        return f"setting '{key}' cannot be '{class_given}': {_import_failed(failed, class_given)}"
    if named := _NO_CLASS.match(reason):
        name = class_given or next(filter(None, named.groups()))
        way_out = "there is no such class in its module; check the spelling" if named[2] else "give its import path"
        return f"setting '{key}' cannot be '{name}': {way_out}"
    if no_subclass := _NO_SUBCLASS.match(reason):
        return f"setting '{key}' cannot be '{no_subclass[1]}': it is no subclass of {no_subclass[2]}"
    if no_key := _NO_KEY.search(reason):
        return f"'${{{no_key[1]}}}' in a value stands for another setting, and there is no '{no_key[1]}'; take it out"
    if required := _REQUIRED.match(reason):
        names = required[1].split(", ")
        settings = " and ".join(f"{key}.{name}" for name in names)
        return f"setting '{key}': {of_class} has no default for {' and '.join(names)}; set {settings}"
    given = _GIVEN.search(reason)
    if given and _EXPECTED.match(reason):
        kinds = [
            kind.replace("NoneType", "null") or f"one of {choices}" for kind, choices in _EXPECTED.findall(about_key)
        ]
        hint = " (in quotes, in a file)" if kinds == ["str"] else ""
        hint = f", such as [{given[1]}]" if "list" in kinds else hint
        return f"setting '{key}' cannot be '{given[1]}': expected {' or '.join(dict.fromkeys(kinds))}{hint}"
    return f"setting '{key}': {reason}" if key else reason


def _import_failed(error: ImportError, wanted: str) -> str:
    """Say why a class cannot be imported, and what to do about it."""
    missing = (error.name if isinstance(error, ModuleNotFoundError) else None) or ""
    if not missing or not wanted.startswith(f"{missing}."):  # the module is there, and imports something in its turn
        return f"importing it fails ({' '.join(str(error).split())}); mend or install that"
    package = missing.partition(".")[0]
    if missing != package and find_spec(package) is not None:
        return f"there is no module '{missing}'; check the spelling of the import path"
    if Path(package).is_dir() or Path(f"{package}.py").is_file():
        return f"Python does not look into this folder for '{package}'; write PYTHONPATH=. before the command"
    return (
        f"Python finds no module '{package}'; install it, or write PYTHONPATH=FOLDER before the command, with the "
        "folder that holds it"
    )


def with_file(sentence: str, args: Sequence[str]) -> str:
    """Add to a sentence about a setting which of a command line's files the setting stands in, if it does."""
    named = _SETTING.search(sentence)
    flags = [arg.partition("=")[0].replace(".init_args", "") for arg in args]
    if named is None or f"--{named[1]}" in flags:
        return sentence
    keys = named[1].split(".")
    for file in reversed(_config_files(args)):
        try:
            content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError, UnicodeDecodeError):
            continue
        for key in keys:
            if isinstance(content, dict) and key not in content:
                content = content.get("init_args")
            content = content.get(key, _MISSING) if isinstance(content, dict) else _MISSING
        if content is not _MISSING:
            return sentence.replace(named[0], f"{named[0]} in '{file}'", 1)
    return sentence


def our_error(error: BaseException) -> FauError | None:
    """Return the error of ours among the causes of what instantiating classes raised, if there is one."""
    return next((cause for cause in _causes(error) if isinstance(cause, FauError)), None)


def broken_file(args: Sequence[str]) -> str | None:
    """Name the first file of a command line that is no YAML, or a sweep's; jsonargparse does not.

    Returns:
        The sentence, or None if all of them can be read and may hold settings.
    """
    files = _config_files(args)
    for file in files:
        if file and "{" not in file and (not Path(file).exists() or Path(file).is_dir()):
            return f"--config '{file}' names no file; check the path"
    files += [arg for arg in args if arg.endswith((".yaml", ".yml")) and not arg.startswith("-")]
    for file in filter(os.path.isfile, files):
        try:
            content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        except OSError as error:
            return f"'{file}' cannot be read: {error.strerror}"
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            return f"'{file}' is no YAML file: {' '.join(str(error).split())}"
        if not isinstance(content, dict):
            return f"'{file}' holds no settings; write them as in experiments/gla.yaml, a key and its value a line"
        if "parameters" in content and _SWEEP_KEYS & content.keys():
            return (
                f"'{file}' is a sweep file, not the settings of a run; run the sweep by: fau-sweep {shlex.quote(file)}"
            )
    return None


def _config_files(args: Sequence[str]) -> list[str]:
    """Return the files that a command line gives by --config."""
    pairs = zip(args, [*args[1:], ""], strict=True)
    return [arg.partition("=")[2] if "=" in arg else value for arg, value in pairs if _CONFIG.match(arg)]


def _causes(error: BaseException) -> Iterator[BaseException]:
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__ or following.__context__
