"""Label sets by name and by list."""

from __future__ import annotations

import pytest

from fau.errors import FauError
from fau.labels import AU_NAMES, EXPRESSION_SETS, EXPRESSIONS, LABEL_SETS, expression_set, label_set, output_labels


def test_sets_are_named_or_listed() -> None:
    assert label_set("disfa8") == LABEL_SETS["disfa8"] == (1, 2, 4, 6, 9, 12, 25, 26)
    assert label_set("12, 6,1") == (12, 6, 1) and label_set("12") == (12,)
    assert expression_set("happiness,anger") == ("happiness", "anger")
    assert output_labels("12,6") == ["AU12", "AU6"] and output_labels("basic7") == list(EXPRESSIONS[:7])


@pytest.mark.parametrize(
    "name", ["", "bp4d13", "1,1", "1,,2", "1,3", "1,happiness", "anger,anger", "happy,anger", "-1"]
)
def test_unknown_sets_are_refused(name: str) -> None:
    with pytest.raises(FauError, match="is unknown"):
        output_labels(name)


def test_kinds_are_not_mixed_up() -> None:
    with pytest.raises(FauError, match="holds expressions"):
        label_set("basic7")
    with pytest.raises(FauError, match="holds action units"):
        expression_set("bp4d12")


def test_every_set_is_of_known_labels() -> None:
    assert all(set(aus) <= set(AU_NAMES) and len(set(aus)) == len(aus) for aus in LABEL_SETS.values())
    assert all(set(names) <= set(EXPRESSIONS) for names in EXPRESSION_SETS.values())
