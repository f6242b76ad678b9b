"""The options of a reader: the keyword parameters of its constructor, with what its docstring says of them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from docstring_parser import DocstringStyle, parse

from fau.corpora.base import Corpus


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: As in Python: ``first_frame``.
        kind: bool, int, float or str.
        default: What it is when it is not given.
        choices: All values that it takes; empty where there are too many.
        text: What it means.
    """

    name: str
    kind: type
    default: Any
    choices: tuple[Any, ...]
    text: str


def options(reader: type[Corpus]) -> list[Option]:
    """Return the options of a reader, in the order of its constructor."""
    hints = get_type_hints(reader.__init__)
    texts = {item.arg_name: item.description or "" for item in _docs(reader).params}
    found = []
    for name, parameter in list(inspect.signature(reader.__init__).parameters.items())[2:]:  # after self and root
        kind, choices = _kind(hints[name])
        found.append(Option(name, kind, parameter.default, choices, " ".join(texts.get(name, "").split())))
    return found


def about(reader: type[Corpus]) -> str:
    """Return what a reader's docstring says before its arguments."""
    docs = _docs(reader)
    return "\n\n".join(part for part in (docs.short_description, docs.long_description) if part)


def _docs(reader: type[Corpus]) -> Any:
    return parse(inspect.getdoc(reader) or "", DocstringStyle.GOOGLE)


def _kind(hint: Any) -> tuple[type, tuple[Any, ...]]:
    if get_origin(hint) in (Union, UnionType):  # `int | None`: None means that it was not given
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        return type(choices[0]), choices
    return hint, ()
