"""The figures of a look, in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from fau.explain.page import Look


def print_tables(look: Look, console: Console) -> None:
    """Print the tables of shares."""
    for content in look.tables:
        others = any(row["others"] is not None for row in content["rows"])
        console.print(f"[bold]{content['title']}, %[/bold]")
        table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True)
        table.add_column("", no_wrap=True)
        columns = ["faces", "subj.", "inside", "chance", "most", "ratio", f"{100 * content['level']:g} % interval"]
        for name in [*columns, *(["others"] if others else [])]:
            table.add_column(name, justify="right", no_wrap=True)
        for row in content["rows"]:
            cells = [row["label"], str(row["faces"]), str(row["subjects"]), _percent(row["share"])]
            cells += [_percent(row["chance"]), _percent(row["most"]), _number(row["ratio"])]
            cells.append("" if row["low"] is None else f"[{row['low']:.2f}, {row['high']:.2f}]".replace("[", "\\["))
            table.add_row(*cells, *([_percent(row["others"])] if others else []))
        console.print(table)


def _percent(value: Any) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.2f}"
