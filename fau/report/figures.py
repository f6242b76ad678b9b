"""The ablation as a picture: differences with intervals, and action units as heat maps."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fau.report.build import Experiment
from fau.report.rows import Comparison, Row
from fau.report.style import ALPHA, BETTER, MUTED, PAPER, TEXT, UNCLEAR, WORSE, View, style
from fau.report.tables.table import bracket, p_text, percent, row_label


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
    kinds = {BETTER: "better (p < 0.05)", WORSE: "worse (p < 0.05)", UNCLEAR: "not told apart"}
    for colour, kind in kinds.items():
        chosen = [(name, row) for name, row in zip(names, experiment.rows, strict=True) if verdict(row) == colour]
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


def verdict(row: Row) -> str | None:
    """Colour of a row by its test: ``BETTER``, ``WORSE`` or ``UNCLEAR``; None where nothing was compared."""
    against = row.comparison
    if against is None or math.isnan(against.difference.macro.value):
        return None
    if against.p >= ALPHA or math.isnan(against.p):
        return UNCLEAR
    return BETTER if against.difference.macro.value > 0 else WORSE


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


def heat_maps(experiment: Experiment) -> list[View]:
    """F1 of each label in each row, and its difference to the reference."""
    views = [View("F1", _heat_map(experiment, experiment.rows, difference=False))]
    compared = [row for row in experiment.rows if row.comparison is not None]
    if compared:
        views.insert(0, View("difference to the reference", _heat_map(experiment, compared, difference=True)))
    return views


def _heat_map(experiment: Experiment, rows: list[Row], difference: bool) -> go.Figure:
    lines = [_cells(experiment, row, row.comparison if difference else None) for row in rows]
    values = [[value for value, _, _ in line] for line in lines]
    known = [abs(v) for line in values for v in line if v is not None]
    limit = max([*known, 1.0]) if difference else 100
    scale: str | list[list[object]] = "Cividis"
    if difference:  # vermilion, white, blue: the colours of "worse" and "better" in the first figure
        scale = [[0, "#B34700"], [0.25, "#F0B48A"], [0.5, "#F7F7F7"], [0.75, "#8FC3E3"], [1, "#005A8C"]]
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=[*experiment.labels, "mean"],
            y=[row_label(row) for row in rows],
            text=[[text for _, text, _ in line] for line in lines],
            texttemplate="%{text}",
            textfont={"size": 12},
            customdata=[[hover for _, _, hover in line] for line in lines],
            hovertemplate="%{customdata}<extra></extra>",
            colorscale=scale,
            zmin=-limit if difference else 0,
            zmax=limit,
            xgap=2,
            ygap=2,
            showscale=len(rows) > 2,  # a bar lower than its labels says nothing that the cells do not
            colorbar={
                "title": {"text": "Δ F1, points" if difference else "F1, %", "side": "right"},
                "thickness": 12,
                "outlinewidth": 0,
            },
        )
    )
    style(figure, height=110 + 36 * len(rows), margin={"l": 10, "r": 10, "t": 62, "b": 12})
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False, tickfont={"size": 13})
    figure.update_xaxes(side="top", showgrid=False, type="category", tickfont={"size": 13})
    figure.add_vline(x=len(experiment.labels) - 0.5, line={"color": PAPER, "width": 6})
    return figure


def _cells(experiment: Experiment, row: Row, against: Comparison | None) -> list[tuple[float | None, str, str]]:
    """Return a row's line of a heat map: of each label and the mean the value, what the cell says, and what it tells.

    Args:
        experiment: Of the row.
        row: Whose line it is.
        against: Show this comparison's differences; None shows F1.
    """
    estimate, signed = (against.difference, True) if against else (row.estimate, False)
    intervals = dict(zip([*row.labels, "mean"], [*estimate.labels, estimate.macro], strict=True))
    adjusted = dict(zip([*row.labels, "mean"], [*against.label_p, against.p], strict=True)) if against else {}
    cells: list[tuple[float | None, str, str]] = []
    for label in [*experiment.labels, "mean"]:
        interval = intervals.get(label)
        title = f"<b>{row.name}</b>, {label}"
        if interval is None:
            cells.append((None, "", f"{title}<br>not a label of this row"))
            continue
        p = adjusted.get(label, math.nan)
        missing = math.isnan(interval.value)
        text = "" if missing else percent(interval.value, signed)
        text = f"<b>{text}</b>" if p < ALPHA else text
        hover = [title, "no positive coded"]
        if not missing:
            hover[1] = f"{'Δ F1' if signed else 'F1'} {text} {bracket(interval, signed)}"
            hover += [f"p = {p_text(p)} (Holm over {experiment.noun}s and rows)".replace("= <", "<")] if against else []
            hover += [interval.note] if interval.note else []
        cells.append((None if missing else 100 * interval.value, text, "<br>".join(hover)))
    return cells
