"""Confusion matrices of a single-label task, one a row."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from fau.report.build import Experiment
from fau.report.figures.style import View, style
from fau.report.scores.classes import ClassScores


def confusion_maps(experiment: Experiment) -> list[View]:
    """What each class's frames are called, in percent of them; none for action units."""
    return [
        View(row.name, _confusion_map(row.classes, row.labels)) for row in experiment.rows if row.classes is not None
    ]


def _confusion_map(scores: ClassScores, labels: tuple[str, ...]) -> go.Figure:
    shares = 100 * scores.confusion
    known = np.isfinite(shares)
    figure = go.Figure(
        go.Heatmap(
            z=[
                [float(v) if k else None for v, k in zip(*line, strict=True)]
                for line in zip(shares, known, strict=True)
            ],
            x=[f"called {label}" for label in labels],
            y=list(labels),
            text=[
                [f"{v:.0f}" if k else "" for v, k in zip(*line, strict=True)]
                for line in zip(shares, known, strict=True)
            ],
            texttemplate="%{text}",
            textfont={"size": 12},
            hovertemplate="%{z:.1f} % of %{y} are %{x}<extra></extra>",
            colorscale="Cividis",
            zmin=0,
            zmax=100,
            xgap=2,
            ygap=2,
            showscale=False,
        )
    )
    style(figure, height=120 + 36 * len(labels), margin={"l": 10, "r": 10, "t": 62, "b": 12})
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False, tickfont={"size": 13})
    figure.update_xaxes(side="top", showgrid=False, type="category", tickfont={"size": 12})
    return figure
