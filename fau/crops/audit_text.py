"""An audit as tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fau.crops.audit import Audit, printed
from fau.crops.audit_counts import KINDS
from fau.crops.store import CropSet

MINUS = "\N{MINUS SIGN}"
_ABREAST = 5  # parts side by side


def print_audit(console: Console, audit: Audit, cropset: CropSet) -> None:
    """Print all tables of an audit."""
    for kind in KINDS:
        counts = [count for count in audit.counts if count.kind == kind]
        published = any(count.published is not None for count in counts)
        headings = [kind, "here", *(["published", "difference"] if published else [])]
        lines = []
        for count in counts:
            line = [printed(count.key), f"{count.here:,}"]
            if published:
                line += ["" if count.published is None else f"{count.published:,}", signed(count.difference)]
            lines.append(line)
        _print(console, headings, lines)
    ids = cropset.manifest["id"]
    pairs = [[ids[pair.first], ids[pair.second], str(pair.distance)] for pair in audit.duplicates.pairs]
    _print(console, ["looks alike", "in another group", "bits apart"], pairs)
    partly = {name: number for name, number in audit.missing.items() if 0 < number < audit.crops}
    lines = [[name, f"{number:,}", f"{100 * number / audit.crops:.1f}"] for name, number in partly.items()]
    _print(console, ["missing label", "crops", "%"], lines)
    never = [name for name, number in audit.missing.items() if number == audit.crops]
    if never:
        console.print(f"never coded: {', '.join(never)}", highlight=False, markup=False)
    _print_rates(console, audit)


def signed(number: int | None) -> str:
    """Return a difference with its sign; nothing where there is none."""
    return "" if not number else f"{number:+,}".replace("-", MINUS)


def _print_rates(console: Console, audit: Audit) -> None:
    if audit.rates is None:
        return
    rates = audit.rates
    for start in range(0, len(rates.parts), _ABREAST):
        some = slice(start, start + _ABREAST)
        lines = [["groups", *(f"{number:,}" for number in rates.groups[some])]]
        lines.append(["crops", *(f"{number:,}" for number in rates.crops[some])])
        for label, values in zip(rates.labels, rates.values.T, strict=True):
            lines.append([label, *("" if np.isnan(value) else f"{value:.1f}" for value in values[some])])
        _print(console, ["rate %", *rates.parts[some]], lines)


def _print(console: Console, headings: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    lines = list(lines)
    if not lines:
        return
    table = Table()
    for i, heading in enumerate(headings):  # as Text, since names of files and parts are no markup
        table.add_column(Text(heading), justify="right" if i else "left")
    for line in lines:
        table.add_row(*map(Text, line))
    console.print(table)
