"""Colours, fonts and axes that all figures of a report share.

``TEXT``, ``MUTED``, ``GRID`` and ``PAPER`` are stand-ins that the page replaces by the colours of the reader's light or
dark scheme.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

TEXT, MUTED, GRID, PAPER = "#010101", "#020202", "#030303", "#040404"
# Okabe and Ito's palette, told apart by all common kinds of colour vision; no yellow, which fails on white.
BETTER, WORSE, UNCLEAR = "#0072B2", "#D55E00", "#8A8F98"
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6D31")
DASHES = ("solid", "dash", "dot")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class View:
    """One of the figures that share a place on the page.

    Attributes:
        label: What the reader chooses it by.
        figure: The figure, or what plotly.js takes in its place: plotly checks every property of every trace that its
            ``Figure`` is given, which of ten thousand curves takes a minute.
    """

    label: str
    figure: go.Figure | dict[str, Any]

    def plain(self) -> dict[str, Any]:
        """Return the figure as JSON values."""
        if isinstance(self.figure, dict):
            return self.figure
        content: dict[str, Any] = json.loads(self.figure.to_json())
        return content


def style(figure: go.Figure, height: int, margin: dict[str, int]) -> None:
    """Apply what all figures share."""
    figure.update_layout(
        template="none",
        height=height,
        margin=margin,
        autosize=True,
        paper_bgcolor=PAPER,
        plot_bgcolor=PAPER,
        font={"family": FONT, "size": 13, "color": TEXT},
        hoverlabel={"bgcolor": PAPER, "bordercolor": GRID, "font": {"color": TEXT, "family": FONT}, "align": "left"},
        legend={
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.02,
            "xanchor": "left",
            "x": 0,
            "itemsizing": "constant",
        },
        hovermode="closest",
    )
    axis = {"gridcolor": GRID, "linecolor": GRID, "tickcolor": GRID, "zeroline": False, "title_standoff": 12}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
