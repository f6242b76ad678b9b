"""The figures of a report, as Plotly figures whose colours follow the reader's light or dark scheme.

``TEXT``, ``MUTED``, ``GRID`` and ``PAPER`` are stand-ins that the page replaces by the colours of the scheme.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fau.report.build import Experiment
from fau.report.ranking import RECALL_GRID
from fau.report.rows import Row
from fau.report.tables import bracket, p_text, percent, row_label
from fau.stats import macro_mean

TEXT, MUTED, GRID, PAPER = "#010101", "#020202", "#030303", "#040404"
# Okabe and Ito's palette, told apart by all common kinds of colour vision; no yellow, which fails on white.
BETTER, WORSE, UNCLEAR = "#0072B2", "#D55E00", "#8A8F98"
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6D31")
DASHES = ("solid", "dash", "dot")
SYMBOLS = ("circle", "square", "diamond")
ALPHA = 0.05
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class View:
    """One of the figures that share a place on the page.

    Attributes:
        label: What the reader chooses it by.
        figure: The figure.
    """

    label: str
    figure: go.Figure


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
    _style(figure, height=150 + 42 * len(rows), margin={"l": 10, "r": 16, "t": 44, "b": 56})
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
    """F1 of each action unit in each row, and its difference to the reference."""
    views = [View("F1", _heat_map(experiment, experiment.rows, difference=False))]
    compared = [row for row in experiment.rows if row.comparison is not None]
    if compared:
        views.insert(0, View("difference to the reference", _heat_map(experiment, compared, difference=True)))
    return views


def _heat_map(experiment: Experiment, rows: list[Row], difference: bool) -> go.Figure:
    values: list[list[float | None]] = []
    cells: list[list[str]] = []
    hovers: list[list[str]] = []
    for row in rows:
        against = row.comparison if difference else None
        estimate = against.difference if against else row.estimate
        intervals = dict(zip([*row.labels, "mean"], [*estimate.labels, estimate.macro], strict=True))
        adjusted = dict(zip([*row.labels, "mean"], [*against.label_p, against.p], strict=True)) if against else {}
        value, cell, hover = [], [], []
        for label in [*experiment.labels, "mean"]:
            interval = intervals.get(label)
            missing = interval is None or math.isnan(interval.value)
            value.append(None if interval is None or missing else 100 * interval.value)
            p = adjusted.get(label, math.nan)
            cell.append("" if interval is None or missing else percent(interval.value, difference))
            cell[-1] = f"<b>{cell[-1]}</b>" if p < ALPHA else cell[-1]
            lines = [f"<b>{row.name}</b>, {label}"]
            if interval is None or missing:
                lines.append("no positive coded" if interval else "not a label of this row")
            else:
                lines.append(f"{'Δ F1' if difference else 'F1'} {cell[-1]} {bracket(interval, difference)}")
                lines += [f"p = {p_text(p)} (Holm over AUs and rows)".replace("= <", "<")] if against else []
                lines += [interval.note] if interval.note else []
            hover.append("<br>".join(lines))
        values.append(value)
        cells.append(cell)
        hovers.append(hover)
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
            text=cells,
            texttemplate="%{text}",
            textfont={"size": 12},
            customdata=hovers,
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
    _style(figure, height=110 + 36 * len(rows), margin={"l": 10, "r": 10, "t": 62, "b": 12})
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False, tickfont={"size": 13})
    figure.update_xaxes(side="top", showgrid=False, type="category", tickfont={"size": 13})
    figure.add_vline(x=len(experiment.labels) - 0.5, line={"color": PAPER, "width": 6})
    return figure


CURVES = {
    "val/f1_macro": "validation macro F1, %",
    "train/loss": "training loss",
    "val/loss": "validation loss",
    "val/roc_auc_macro": "validation ROC-AUC, %",
    "val/average_precision_macro": "validation average precision, %",
    "val/accuracy_macro": "validation accuracy, %",
    "lr": "learning rate",
}


def learning_curves(experiment: Experiment) -> list[View]:
    """One view a quantity of ``metrics.csv``: each row's mean over runs, and its runs as thin lines."""
    views = []
    for key, title in CURVES.items():
        scale = 100 if title.endswith("%") else 1
        figure = go.Figure()
        for index, row in enumerate(experiment.rows):
            runs = [(run.fold, run.seed, run.epochs) for run in row.runs if key in run.epochs and "epoch" in run.epochs]
            if not runs:
                continue
            line = _line(index, row is experiment.reference)
            for fold, seed, epochs in runs:
                y = [None if v is None else scale * v for v in epochs[key]]
                figure.add_scatter(
                    x=[int(epoch or 0) + 1 for epoch in epochs["epoch"]],
                    y=y,
                    mode="lines",
                    line={**line, "width": 1},
                    opacity=0.35,
                    legendgroup=row.name,
                    name="",
                    hovertemplate=f"{row.name}, fold {fold}, seed {seed}<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>",
                )
            epoch, mean = _mean_curve([epochs for _, _, epochs in runs], key)
            figure.add_scatter(
                x=epoch,
                y=[scale * value for value in mean],
                mode="lines",
                name=row_label(row),
                line={**line, "width": 2.6},
                legendgroup=row.name,
                hovertemplate=f"<b>{row.name}</b>, mean of {len(runs)} runs<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>",
            )
        if figure.data:
            _style_curves(figure)
            last = max(max(trace.x, default=1) for trace in figure.data)
            figure.update_xaxes(title_text="epoch", tick0=0, dtick=_round_step(last / 8))
            figure.update_yaxes(title_text=title, automargin=True)
            views.append(View(title.removesuffix(", %"), figure))
    return views


def _round_step(least: float) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, ... that is not below."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if factor * size >= least:
                return factor * size
        size *= 10


def _mean_curve(runs: list[dict[str, list[float | None]]], key: str) -> tuple[list[int], list[float]]:
    """Average over the runs that reached an epoch."""
    values: dict[int, list[float]] = {}
    for epochs in runs:
        for epoch, value in zip(epochs["epoch"], epochs[key], strict=True):
            if epoch is not None and value is not None and math.isfinite(value):
                values.setdefault(int(epoch) + 1, []).append(value)
    known = sorted(values)
    return known, [float(np.mean(values[epoch])) for epoch in known]


def precision_recall(experiment: Experiment) -> list[View]:
    """One view an action unit, and their mean: precision at each recall, averaged over runs; the operating point."""
    rows = [(index, row) for index, row in enumerate(experiment.rows) if row.ranking is not None]
    if not rows:
        return []
    views = []
    for label in ["mean", *experiment.labels]:
        figure = go.Figure()
        for index, row in rows:
            if row.ranking is None or (label != "mean" and label not in row.labels):
                continue
            position = None if label == "mean" else row.labels.index(label)
            curves, means = row.ranking.precision, row.ranking.average_precision
            precision = macro_mean(curves.T) if position is None else curves[position]
            area = float(macro_mean(means)) if position is None else float(means[position])
            if np.isnan(precision).all():
                continue
            line = _line(index, row is experiment.reference)
            figure.add_scatter(
                x=(100 * RECALL_GRID).round(1).tolist(),
                y=(100 * precision).round(2).tolist(),
                mode="lines",
                name=f"{row_label(row)} ({percent(area)})",
                line={**line, "width": 2.2},
                legendgroup=row.name,
                hovertemplate=f"<b>{row.name}</b><br>recall %{{x:.0f}} %<br>precision %{{y:.1f}} %<extra></extra>",
            )
            if position is not None:
                tp, fp, fn, _ = map(int, row.counts.sum((0, 1))[position])
                figure.add_scatter(
                    x=[100 * tp / (tp + fn)] if tp + fn else [],
                    y=[100 * tp / (tp + fp)] if tp + fp else [],
                    mode="markers",
                    legendgroup=row.name,
                    name="",
                    marker={"color": line["color"], "size": 10, "symbol": "x-thin-open", "line": {"width": 2.5}},
                    hovertemplate=f"<b>{row.name}</b> at its threshold<br>recall %{{x:.1f}} %<br>"
                    "precision %{y:.1f} %<extra></extra>",
                )
        if not figure.data:
            continue
        _style_curves(figure)
        figure.update_xaxes(title_text="recall, %", range=[0, 101])
        figure.update_yaxes(title_text="precision, %", range=[0, 101], automargin=True)
        views.append(View("mean of action units" if label == "mean" else label, figure))
    return views


def _line(index: int, reference: bool) -> dict[str, str]:
    if reference:
        return {"color": TEXT, "dash": "solid"}
    index -= 1
    return {"color": PALETTE[index % len(PALETTE)], "dash": DASHES[index // len(PALETTE) % len(DASHES)]}


def _style_curves(figure: go.Figure) -> None:
    """Apply what curves share. The page draws their legend, since it wraps at any width and toggles whole rows."""
    _style(figure, height=420, margin={"l": 10, "r": 10, "t": 32, "b": 50})
    figure.update_layout(showlegend=False)


def _style(figure: go.Figure, height: int, margin: dict[str, int]) -> None:
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
