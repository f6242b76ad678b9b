from __future__ import annotations

import pytest

from fau.units import duration


@pytest.mark.parametrize(("seconds", "text"), [(59.4, "59 s"), (200, "3:20 min"), (7500, "2:05 h")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
