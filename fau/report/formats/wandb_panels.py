"""Panels of a W&B report: scores by row with error bars, curves, runs side by side, and every label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fau.report.build import Experiment
from fau.report.load import Run

_WIDTH = 24  # columns of a grid of W&B's
_COLUMNS = 8  # most settings of the parallel coordinates, which beyond that nobody can read
_LABELS = 40  # most panels of labels
# Where a run is and how it is called; a fold is a column of its own.
_NO_SETTINGS = ("fold", "name", "runs", "experiment", "project", "published", "data.fold", "data.crop_set", "rerun")
_SPREAD = {"groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}


def grids(library: Any, experiment: Experiment, entity: str, project: str) -> list[Any]:
    """Return the blocks of panels of an experiment, about exactly its report's runs.

    Args:
        library: ``wandb_workspaces.reports.v2``.
        experiment: What to show.
        entity: Of the runs; empty leaves the run sets open.
        project: Of the runs.
    """
    runs = [run for row in experiment.rows for run in row.runs]

    def run_set(name: str, **more: Any) -> Any:
        chosen = f"Config('run_id') in {sorted({str(run['run_id']) for run in runs})!r}"
        return library.Runset(entity=entity, project=project, name=name, filters=chosen, **more)

    rows = run_set("rows", groupby=["group"])  # a row is a W&B group
    blocks = [
        library.PanelGrid(runsets=[rows], panels=_scores(library, runs, len(experiment.rows))),
        library.H2("Runs one by one"),
        library.PanelGrid(runsets=[run_set("runs")], panels=_single(library, runs)),
    ]
    labels = _label_bars(library, experiment, runs)
    if labels:
        blocks += [
            library.H2(f"Each {experiment.noun}"),
            library.PanelGrid(runsets=[rows], panels=labels),
        ]
    return blocks


def varied(runs: list[Run]) -> list[str]:
    """Return the settings in which runs differ, by their names in W&B's configuration, the first few of them.

    Args:
        runs: Of an experiment.
    """
    flat = [dict(_leaves(run["config"] or {})) for run in runs]
    names = dict.fromkeys(name for settings in flat for name in settings)
    differ = [name for name in names if len({str(settings.get(name)) for settings in flat}) > 1]
    return [name for name in differ if name not in _NO_SETTINGS][:_COLUMNS]


def _leaves(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _prefix(runs: list[Run]) -> str:
    """Return what stands before a metric's name where a run has several tasks."""
    config = runs[0]["config"] or {}
    several = "+" in str((config.get("data") or {}).get("label_set") or "")
    return f"{runs[0]['task']}/" if several else ""


def _scores(library: Any, runs: list[Run], rows: int) -> list[Any]:
    own, shown = _prefix(runs), {"max_runs_to_show": rows}  # W&B would show the first ten
    curves = {
        f"val/{own}f1_macro": "validation macro F1",
        "train/loss": "training loss",
        "val/loss": "validation loss",
        "lr": "learning rate",
    }
    bars = library.BarPlot(
        title="test macro F1: mean of folds, ± s.d. over folds",
        metrics=[f"test/{own}f1_macro"],
        layout=library.Layout(x=0, y=0, w=_WIDTH, h=8),
        max_bars_to_show=rows,
        **shown,
        **_SPREAD,
    )
    lines = [
        library.LinePlot(
            title=title,
            x="epoch",
            y=[name],
            layout=library.Layout(x=_WIDTH // 2 * (i % 2), y=8 + 8 * (i // 2), w=_WIDTH // 2, h=8),
            **shown,
            **_SPREAD,
        )
        for i, (name, title) in enumerate(curves.items())
    ]
    return [bars, *lines]


def _single(library: Any, runs: list[Run]) -> list[Any]:
    own = _prefix(runs)
    settings = [library.Config(name) for name in [*varied(runs), "fold"]]
    metrics = [library.SummaryMetric(name) for name in (f"val/{own}f1_macro", f"test/{own}f1_macro")]
    columns = [library.ParallelCoordinatesPlotColumn(metric=metric) for metric in [*settings, *metrics]]
    return [
        library.ParallelCoordinatesPlot(
            title="settings that differ, and scores",
            columns=columns,
            layout=library.Layout(x=0, y=0, w=_WIDTH, h=10),
        ),
        library.RunComparer(diff_only="split", layout=library.Layout(x=0, y=10, w=_WIDTH, h=10)),
    ]


def _label_bars(library: Any, experiment: Experiment, runs: list[Run]) -> list[Any]:
    own, across, rows = _prefix(runs), 4, len(experiment.rows)
    return [
        library.BarPlot(
            title=f"F1 of {label}, test",
            metrics=[f"test/{own}f1/{label}"],
            layout=library.Layout(x=_WIDTH // across * (i % across), y=7 * (i // across), w=_WIDTH // across, h=7),
            max_bars_to_show=rows,
            max_runs_to_show=rows,
            **_SPREAD,
        )
        for i, label in enumerate(experiment.labels[:_LABELS])
    ]
