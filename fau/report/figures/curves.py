"""Learning curves and precision-recall curves of a report."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

import numpy as np
import plotly.graph_objects as go

from fau.metrics.ranking import RECALL_GRID
from fau.report.build import Experiment
from fau.report.epochs import mean_curve
from fau.report.figures.style import DASHES, PALETTE, TEXT, View, style
from fau.report.tables.table import percent, row_label
from fau.stats import macro_mean

CURVES = {
    "val/f1_macro": "validation macro F1, %",
    "train/loss": "training loss",
    "val/loss": "validation loss",
    "val/roc_auc_macro": "validation ROC-AUC, %",
    "val/average_precision_macro": "validation average precision, %",
    "val/accuracy_macro": "validation accuracy, %",
    "val/landmark_error": "validation landmark error, % of the eyes' distance",
    "val/landmark_failures": "validation landmark failures, %",
    "lr": "learning rate",
}


def learning_curves(experiment: Experiment) -> list[View]:
    """One view a quantity of ``metrics.csv``: each row's mean over runs, and its runs as thin lines."""
    views = []
    for key, title in CURVES.items():
        scale = 100 if "%" in title else 1
        traces: list[dict[str, Any]] = []
        for index, row in enumerate(experiment.rows):
            runs = [(run.fold, run.seed, run.epochs) for run in row.runs if key in run.epochs and "epoch" in run.epochs]
            if not runs:
                continue
            line = _line(index, row is experiment.reference)
            for fold, seed, epochs in runs:
                y = _numbers([scale * v if v is not None else None for v in epochs[key]])
                traces.append(
                    {
                        "type": "scatter",
                        "x": [int(epoch or 0) + 1 for epoch in epochs["epoch"]],
                        "y": y,
                        "mode": _mode(y),
                        "line": {**line, "width": 1},
                        "opacity": 0.35,
                        "legendgroup": row.name,
                        "name": "",
                        "hovertemplate": f"{row.name}, fold {fold}, seed {seed}<br>epoch %{{x}}: %{{y:.4g}}"
                        "<extra></extra>",
                    }
                )
            mean = mean_curve([epochs for _, _, epochs in runs], key)
            traces.append(
                {
                    "type": "scatter",
                    "x": [epoch for epoch, _ in mean],
                    "y": _numbers([scale * value for _, value in mean]),
                    "mode": _mode(mean),
                    "name": row_label(row),
                    "line": {**line, "width": 2.6},
                    "legendgroup": row.name,
                    "hovertemplate": f"<b>{row.name}</b>, mean of {len(runs)} runs<br>epoch %{{x}}: %{{y:.4g}}"
                    "<extra></extra>",
                }
            )
        if traces:
            last = max(max(trace["x"], default=1) for trace in traces)
            x = {"title": {"text": "epoch"}, "tick0": 0, "dtick": _round_step(last / 8)}
            figure = _figure(traces, x, {"title": {"text": title}, "automargin": True})
            views.append(View(title.partition(", %")[0], figure))
    return views


def _numbers(values: list[float | None]) -> list[float | None]:
    """Return what JSON can hold, in no more digits than a screen can show."""
    return [float(f"{v:.6g}") if v is not None and math.isfinite(v) else None for v in values]


def _mode(points: list[Any]) -> str:
    """Return how a curve is drawn: a single point makes no line."""
    return "lines" if sum(point is not None for point in points) > 1 else "markers"


def _round_step(least: float) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, ... that is not below."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if factor * size >= least:
                return factor * size
        size *= 10


def precision_recall(experiment: Experiment) -> list[View]:
    """One view a label, and their mean: precision at each recall, averaged over runs; the operating point."""
    rows = [(index, row) for index, row in enumerate(experiment.rows) if row.ranking is not None]
    if not rows:
        return []
    totals = {row.name: row.counts.sum((0, 1)).tolist() for _, row in rows}
    grid = {"x0": 0, "dx": 100 / (len(RECALL_GRID) - 1)}
    views = []
    for label in ["mean", *experiment.labels]:
        traces: list[dict[str, Any]] = []
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
            shared = {"type": "scatter", "legendgroup": row.name}
            traces.append(
                shared
                | grid
                | {
                    "y": (100 * precision).round(2).tolist(),
                    "mode": "lines",
                    "name": f"{row_label(row)} ({percent(area)})",
                    "line": {**line, "width": 2.2},
                    "hovertemplate": f"<b>{row.name}</b><br>recall %{{x:.0f}} %<br>precision %{{y:.1f}} %"
                    "<extra></extra>",
                }
            )
            if position is not None:
                tp, fp, fn, _ = totals[row.name][position]
                traces.append(
                    shared
                    | {
                        "x": [100 * tp / (tp + fn)] if tp + fn else [],
                        "y": [100 * tp / (tp + fp)] if tp + fp else [],
                        "mode": "markers",
                        "name": "",
                        "marker": {"color": line["color"], "size": 10, "symbol": "x-thin-open", "line": {"width": 2.5}},
                        "hovertemplate": f"<b>{row.name}</b> at its threshold<br>recall %{{x:.1f}} %<br>"
                        "precision %{y:.1f} %<extra></extra>",
                    }
                )
        if not traces:
            continue
        x = {"title": {"text": "recall, %"}, "range": [0, 101]}
        figure = _figure(traces, x, {"title": {"text": "precision, %"}, "range": [0, 101], "automargin": True})
        views.append(View(f"mean of {experiment.noun}s" if label == "mean" else label, figure))
    return views


def _line(index: int, reference: bool) -> dict[str, str]:
    if reference:
        return {"color": TEXT, "dash": "solid"}
    index -= 1
    return {"color": PALETTE[index % len(PALETTE)], "dash": DASHES[index // len(PALETTE) % len(DASHES)]}


def _figure(traces: list[dict[str, Any]], x: dict[str, Any], y: dict[str, Any]) -> dict[str, Any]:
    """Return curves as plotly.js takes them, on axes of their own."""
    layout = _layout()
    return {"data": traces, "layout": layout | {"xaxis": layout["xaxis"] | x, "yaxis": layout["yaxis"] | y}}


@cache
def _layout() -> dict[str, Any]:
    """Return what curves share. The page draws their legend, since it wraps at any width and toggles whole rows."""
    figure = go.Figure()
    style(figure, height=420, margin={"l": 10, "r": 10, "t": 32, "b": 50})
    figure.update_layout(showlegend=False)
    layout: dict[str, Any] = json.loads(figure.to_json())["layout"]
    return layout
