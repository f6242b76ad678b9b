"""Tables as headings and text cells, for every output alike, and how their cells are printed.

Scores (F1, ROC-AUC, average precision, accuracy) and their differences are printed times 100 with one decimal; CSV
files hold fractions in full precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from fau.report.rows import MARKS, Row
from fau.stats import Interval
from fau.units import duration

NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


@dataclass
class Table:
    """A table of text.

    Attributes:
        title: What it shows.
        headings: One a column; the first column holds names and is left-aligned, the others are right-aligned.
        rows: Cells.
        secondary: Indices of rows that explain the row above.
        notes: Sentences below.
    """

    title: str
    headings: list[str]
    rows: list[list[str]]
    secondary: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def number(value: float | None, signed: bool = False, digits: int = 3) -> str:
    """Print a number with three decimals and a true minus sign."""
    if value is None or math.isnan(value):
        return NONE
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    if float(text) == 0:
        text = f"{0:.{digits}f}"
    return text.replace("-", MINUS)


def percent(value: float | None, signed: bool = False, digits: int = 1) -> str:
    """Print a score times 100 with one decimal and a true minus sign."""
    return NONE if value is None else number(100 * value, signed, digits)


def bounds(interval: Interval, signed: bool = False) -> str:
    """Print the bounds of an interval as ``number`` does, or a dash where none could be estimated."""
    return _bounds(interval, partial(number, signed=signed))


def bracket(interval: Interval, signed: bool = False, digits: int = 1) -> str:
    """Print the bounds of an interval as ``percent`` does, or a dash where none could be estimated."""
    return _bounds(interval, partial(percent, signed=signed, digits=digits))


def _bounds(interval: Interval, text: Callable[[float], str]) -> str:
    if not interval.estimable or math.isnan(interval.value):
        return NONE
    return f"[{text(interval.low)}, {text(interval.high)}]"


def p_text(p: float) -> str:
    """Print a p-value with three decimals."""
    if math.isnan(p):
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def time_text(seconds: float | None) -> str:
    """Print a time in its natural unit."""
    return NONE if seconds is None else duration(seconds)


def count(number: int | None) -> str:
    """Print a number of parameters."""
    if number is None:
        return NONE
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return str(number)


def row_label(row: Row) -> str:
    """Name of a row with its marks."""
    return row.name + (" " + "".join(mark for mark in MARKS if mark in row.marks) if row.marks else "")
