"""Learning curves and precision-recall curves of a report."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from fau.report.build import Experiment
from fau.report.epochs import mean_curve
from fau.report.ranking import RECALL_GRID
from fau.report.style import DASHES, PALETTE, TEXT, View, style
from fau.report.tables import percent, row_label
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
                    mode=_mode(y),
                    line={**line, "width": 1},
                    opacity=0.35,
                    legendgroup=row.name,
                    name="",
                    hovertemplate=f"{row.name}, fold {fold}, seed {seed}<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>",
                )
            mean = mean_curve([epochs for _, _, epochs in runs], key)
            figure.add_scatter(
                x=[epoch for epoch, _ in mean],
                y=[scale * value for _, value in mean],
                mode=_mode(mean),
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
            views.append(View(title.partition(", %")[0], figure))
    return views


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
        views.append(View(f"mean of {experiment.noun}s" if label == "mean" else label, figure))
    return views


def _line(index: int, reference: bool) -> dict[str, str]:
    if reference:
        return {"color": TEXT, "dash": "solid"}
    index -= 1
    return {"color": PALETTE[index % len(PALETTE)], "dash": DASHES[index // len(PALETTE) % len(DASHES)]}


def _style_curves(figure: go.Figure) -> None:
    """Apply what curves share. The page draws their legend, since it wraps at any width and toggles whole rows."""
    style(figure, height=420, margin={"l": 10, "r": 10, "t": 32, "b": 50})
    figure.update_layout(showlegend=False)
