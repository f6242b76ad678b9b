from __future__ import annotations

import pytest

from fau.units import counted, duration


@pytest.mark.parametrize(("seconds", "text"), [(59.4, "59 s"), (200, "3:20 min"), (7500, "2:05 h")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_nouns_are_in_the_plural_but_for_one() -> None:
    assert [counted(number, "row") for number in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]
