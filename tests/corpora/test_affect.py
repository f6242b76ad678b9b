from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fau.corpora.affect import affect
from fau.errors import FauError


@given(st.lists(st.one_of(st.floats(-1, 1, width=32), st.just(-5.0), st.none())))
def test_numbers_stay_and_missing_is_null(values: list[float | None]) -> None:
    expected = [None if value == -5 else value for value in values]
    assert affect(pl.Series(values, dtype=pl.Float64), "f", -5).to_list() == expected
    texts = pl.Series([None if value is None else f" {value!r} " for value in values], dtype=pl.String)
    assert affect(texts, "f", -5).to_list() == expected


@given(st.floats(allow_nan=True).filter(lambda value: not abs(value) <= 1.00001 and value != -2))
def test_numbers_beyond_are_refused(value: float) -> None:
    with pytest.raises(FauError, match="'f', valence, holds the value"):
        affect(pl.Series([0.0, value]), "'f', valence,", -2)


def test_rounding_is_no_fault_and_blank_is_null() -> None:
    result = affect(pl.Series(["1.0000001", "-1.0000001", "", " "]), "f", -2)
    assert result.to_list() == [1, -1, None, None]
    with pytest.raises(FauError, match="holds the value 'high'"):
        affect(pl.Series(["high"]), "f", -2)
