"""Finds the corpora: every subclass of ``Corpus`` in a file of this package."""

from __future__ import annotations

import inspect
import pkgutil
from functools import cache
from importlib import import_module

import fau.corpora
from fau.corpora.base import Corpus
from fau.errors import FauError


@cache
def corpora() -> dict[str, type[Corpus]]:
    """Return the readers by name, in alphabetical order."""
    found: dict[str, type[Corpus]] = {}
    for module in pkgutil.iter_modules(fau.corpora.__path__, "fau.corpora."):
        for _, member in inspect.getmembers(import_module(module.name), inspect.isclass):
            if issubclass(member, Corpus) and member.__module__ == module.name and not inspect.isabstract(member):
                found[member.name] = member
    return dict(sorted(found.items()))


def corpus(name: str) -> type[Corpus]:
    """Return the reader of a corpus.

    Raises:
        FauError: If there is none of that name.
    """
    try:
        return corpora()[name]
    except KeyError:
        raise FauError(f"corpus '{name}' is unknown; choose one of {', '.join(corpora())}") from None
