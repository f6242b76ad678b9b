"""Valence and arousal as corpora write them."""

from __future__ import annotations

import polars as pl

from fau.errors import FauError

_SLACK = 1e-6  # what rounding may add to 1


def affect(codes: pl.Series, where: str, missing: float) -> pl.Series:
    """Return valence or arousal as Float32 within -1..1, the code for missing as null.

    Args:
        codes: Numbers or text of numbers; blank is null.
        where: File and column, for the message.
        missing: The code that says that nothing is known.

    Raises:
        FauError: If a value is no number, or outside -1..1.
    """
    text = codes.cast(pl.String).str.strip_chars().replace("", None)
    numbers = text.cast(pl.Float64, strict=False)
    known = pl.select(pl.when(numbers != missing).then(numbers)).to_series()
    strange = text.filter(
        (numbers.is_null() & text.is_not_null()) | numbers.is_nan() | (known.abs() > 1 + _SLACK).fill_null(False)
    )
    if len(strange):
        raise FauError(
            f"{where} holds the value '{strange[0]}'; known are -1 to 1, and {missing:g} for missing: "
            "fetch the file from the owner again"
        )
    return known.clip(-1, 1).cast(pl.Float32).alias(codes.name)
