"""Differences of rows to the reference with their intervals, a line a row: the ablation as a picture."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fau.report.build import Experiment
from fau.report.figures.style import BETTER, MUTED, PAPER, TEXT, UNCLEAR, WORSE, style
from fau.report.rows import ALPHA, Row, Verdict
from fau.report.tables.table import bracket, p_text, percent, row_label

COLOURS: dict[Verdict, str] = {"better": BETTER, "worse": WORSE, "not told apart": UNCLEAR}


def forest(experiment: Experiment) -> go.Figure:
    """Differences to the reference with intervals, beside macro F1 with intervals; one line a row."""
    rows = experiment.rows
    names = [row_label(row) for row in rows]
    compared = any(row.comparison for row in rows)
    widths = [0.62, 0.38] if compared else [1.0]
    figure = make_subplots(1, len(widths), shared_yaxes=True, column_widths=widths, horizontal_spacing=0.04)
    if compared:
        _differences(figure, experiment, names)
    _scores(figure, experiment, names, len(widths))
    style(figure, height=150 + 42 * len(rows), margin={"l": 10, "r": 16, "t": 44, "b": 56})
    figure.update_layout(legend={"yanchor": "bottom", "y": 1.02})
    figure.update_yaxes(
        categoryorder="array", categoryarray=names[::-1], automargin=True, showgrid=False, tickfont={"size": 14}
    )
    figure.update_yaxes(range=[-0.6, len(rows) - 0.4])
    return figure


def _differences(figure: go.Figure, experiment: Experiment, names: list[str]) -> None:
    reference = experiment.reference
    for verdict, colour in COLOURS.items():
        kind = verdict if colour == UNCLEAR else f"{verdict} (p < {ALPHA})"
        chosen = [(name, row) for name, row in zip(names, experiment.rows, strict=True) if row.verdict == verdict]
        if not chosen:
            continue
        macros = [row.comparison.difference.macro for _, row in chosen if row.comparison is not None]
        figure.add_scatter(
            row=1,
            col=1,
            name=kind,
            mode="markers+text",
            x=[100 * macro.value for macro in macros],
            y=[name for name, _ in chosen],
            text=[percent(macro.value, signed=True) for macro in macros],
            textposition="top center",
            textfont={"size": 11, "color": MUTED},
            cliponaxis=False,
            error_x=_error([m.value for m in macros], [m.low for m in macros], [m.high for m in macros], colour),
            marker={"color": PAPER if colour == UNCLEAR else colour, "size": 12, "line": {"color": colour, "width": 2}},
            customdata=[[_difference_text(experiment, row)] for _, row in chosen],
            hovertemplate="%{customdata[0]}<extra></extra>",
        )
    figure.add_scatter(
        row=1,
        col=1,
        mode="markers",
        x=[0],
        y=[names[0]],
        name="reference",
        marker={"color": TEXT, "size": 11, "symbol": "diamond"},
        hovertemplate=f"<b>{reference.name}</b><br>the reference<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": MUTED, "width": 1.5}, layer="below", row=1, col=1)
    figure.update_xaxes(title_text="Δ macro F1, percentage points", row=1, col=1, zeroline=False)


def _scores(figure: go.Figure, experiment: Experiment, names: list[str], column: int) -> None:
    macros = [row.estimate.macro for row in experiment.rows]
    texts = [[f"<b>{row.name}</b><br>macro F1 {percent(row.estimate.macro.value)} {bracket(row.estimate.macro)}<br>"
              f"mean of folds {percent(row.fold_mean)}<br>{len(row.groups)} subjects, {len(row.folds)} folds"]
             for row in experiment.rows]  # fmt: skip
    figure.add_scatter(
        row=1,
        col=column,
        name="macro F1",
        showlegend=False,
        mode="markers+text",
        x=[100 * macro.value for macro in macros],
        y=names,
        text=[percent(macro.value) for macro in macros],
        textposition="top center",
        textfont={"size": 11, "color": MUTED},
        cliponaxis=False,
        error_x=_error([m.value for m in macros], [m.low for m in macros], [m.high for m in macros], TEXT),
        marker={"color": TEXT, "size": 9},
        customdata=texts,
        hovertemplate="%{customdata[0]}<extra></extra>",
    )
    figure.update_xaxes(title_text="macro F1, %", row=1, col=column, zeroline=False)


def _difference_text(experiment: Experiment, row: Row) -> str:
    against = row.comparison
    if against is None:
        return row.name
    macro = against.difference.macro
    lines = [
        f"<b>{row.name}</b> less {experiment.reference.name}",
        f"Δ macro F1 {percent(macro.value, signed=True)} {bracket(macro, signed=True)}",
        f"p = {p_text(against.p)} (Holm), {p_text(against.p_raw)} alone".replace("= <", "<"),
        f"{against.groups} subjects",
        *([against.note] if against.note else []),
    ]
    return "<br>".join(lines)


def _error(value: list[float], low: list[float], high: list[float], colour: str) -> dict[str, object]:
    centre, below, above = (100 * np.asarray(part) for part in (value, low, high))
    return {
        "type": "data",
        "symmetric": False,
        "array": list(above - centre),
        "arrayminus": list(centre - below),
        "color": colour,
        "thickness": 2.2,
        "width": 5,
    }
