"""The meaning of class codes: every reader's against one table, written down once more from the owners' texts."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import pytest

from fau.corpora.registry import corpora

# Code by expression, as the owners number them.
ORDERS = {
    "affectnet": {
        **{"neutral": 0, "happiness": 1, "sadness": 2, "surprise": 3, "fear": 4, "disgust": 5, "anger": 6},
        "contempt": 7,
    },
    "rafdb": {"neutral": 7, "happiness": 4, "sadness": 5, "surprise": 1, "fear": 2, "disgust": 3, "anger": 6},
    "fer2013": {"neutral": 6, "happiness": 3, "sadness": 4, "surprise": 5, "fear": 2, "disgust": 1, "anger": 0},
    "ferplus": {
        **{"neutral": 0, "happiness": 1, "sadness": 3, "surprise": 2, "fear": 6, "disgust": 5, "anger": 4},
        "contempt": 7,
    },
    "ckplus": {
        **{"neutral": 0, "happiness": 5, "sadness": 6, "surprise": 7, "fear": 4, "disgust": 3, "anger": 1},
        "contempt": 2,
    },
    "expw": {"neutral": 6, "happiness": 3, "sadness": 4, "surprise": 5, "fear": 2, "disgust": 1, "anger": 0},
}


def _codes(name: str) -> Mapping[int, str | None] | None:
    """Return a reader's map from codes to expressions; None if its file has none."""
    module = import_module(corpora()[name].__module__)
    codes = getattr(module, "CLASSES", None) or getattr(module, "_CLASSES", None)
    return codes if isinstance(codes, Mapping) else None


@pytest.mark.parametrize("name", [name for name in corpora() if _codes(name)])
def test_codes_mean_what_the_owner_says(name: str) -> None:
    codes = _codes(name)
    assert codes is not None
    assert {expression: code for code, expression in codes.items() if expression is not None} == ORDERS[name]


def test_every_corpus_of_the_table_is_held_against_it() -> None:
    assert {name for name in corpora() if _codes(name)} == set(ORDERS)
