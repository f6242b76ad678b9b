"""Every label of every row as heat maps: F1, and its difference to the reference."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from fau.report.build import Experiment
from fau.report.figures.style import PAPER, View, style
from fau.report.rows import ALPHA, Comparison, Row
from fau.report.tables.table import bracket, p_text, percent, row_label


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
