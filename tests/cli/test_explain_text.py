"""The figures of a look in a terminal of 80 columns."""

from __future__ import annotations

import io
from types import SimpleNamespace

from rich.console import Console

from fau.cli.explain_text import print_tables


def test_no_figure_is_cut_at_80_columns() -> None:
    """A map that lies in its region altogether, as EAC-Net's do, has a ratio above 10."""
    row = {"label": "AU10", "faces": 200, "subjects": 14, "share": 1.0, "chance": 0.036, "most": 1.0, "ratio": 37.12}
    row |= {"low": 18.32, "high": 139.87, "others": 0.228}
    look = SimpleNamespace(tables=[{"title": "Attention", "level": 0.95, "rows": [row]}])
    console = Console(width=80, file=io.StringIO())
    print_tables(look, console)
    text = console.file.getvalue()
    assert "…" not in text
    assert all(word in text for word in ("others", "ratio", "37.12", "[18.32, 139.87]", "22.8"))
