"""What the labels of a table mean, and which rows have any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

from fau.corpora.losses import NOT_A_FACE, NOT_ANNOTATED, Losses
from fau.errors import FauError
from fau.labels import au_column, intensity_column

Values = Literal["auto", "occurrence", "intensity", "probability"]


def missing_codes(option: str) -> tuple[float, ...]:
    """Return the numbers that mean "not known", of an option such as ``-1,9,999``.

    Raises:
        FauError: If it holds something else.
    """
    try:
        return tuple(float(part) for part in option.split(",") if part.strip())
    except ValueError as error:
        raise FauError(f"option missing is '{option}'; it needs numbers with commas between them") from error


def labelled(rows: pl.DataFrame, aus: tuple[int, ...], losses: Losses) -> pl.DataFrame:
    """Return the rows with a face and a label; note the others.

    Args:
        rows: With labels as a listing has them, ``id``, and ``success`` where the table says which have a face.
        aus: Action units that the table codes.
        losses: Takes what is left out.
    """
    if "success" in rows.columns:
        lost = rows["success"] == 0
        losses.add(NOT_A_FACE, rows.filter(lost)["id"])
        rows = rows.filter(~lost.fill_null(False)).drop("success")
    labels: list[str] = [name for name in ("expression", "valence", "arousal") if name in rows.columns]
    labels += [name for au in aus for name in (au_column(au), intensity_column(au)) if name in rows.columns]
    blank = rows.select(pl.all_horizontal(pl.col(labels).is_null())).to_series()
    losses.add(NOT_ANNOTATED, rows.filter(blank)["id"])
    return rows.filter(~blank) if blank.any() else rows


def kind_of_values(columns: Sequence[pl.Series], missing: Sequence[float]) -> Values:
    """Return what plain columns of action units hold, by their values.

    Args:
        columns: Such as ``AU01``, Float32.
        missing: Numbers that mean "not known".
    """
    fraction = False
    for column in columns:
        known = column.filter(~column.is_in(list(missing)))
        if len(known) and known.max() > 1:  # type: ignore[operator]
            return "intensity"
        fraction |= bool((known % 1 != 0).any())
    return "probability" if fraction else "occurrence"


def in_range(
    column: pl.Series, missing: Sequence[float], low: float, high: float, what: str, whole: bool = False
) -> pl.Series:
    """Return labels with missing codes as null.

    Args:
        column: The labels, Float32.
        missing: Numbers that mean "not known".
        low: Least value.
        high: Greatest value.
        what: The column and its table, for messages.
        whole: Whether fractions are outside too.

    Raises:
        FauError: If one lies outside its range.
    """
    gone = column.is_in(list(missing))
    strange = ~column.is_between(low, high) & ~gone
    if whole:
        strange |= (column % 1 != 0) & ~gone
    if strange.any():
        bad = column.filter(strange)[0]
        kind = f"{low:g} or {high:g}" if whole else f"from {low:g} to {high:g}"
        raise FauError(
            f"{what} holds {bad:g}, which is not {kind}; say with --missing which numbers mean 'not known', or with "
            "--values what the column holds"
        )
    return pl.select(pl.when(~gone).then(column)).to_series() if gone.any() else column
