"""A run of several tasks as a report sees it: one run a task, each of an experiment of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from fau.errors import FauError
from fau.labels import label_tasks, task_labels
from fau.report.load import Run, load_task
from fau.runs import RunDirectory

NAMES = {"au": "action units", "expression": "expressions", "va": "valence and arousal"}


def task_views(run: Run) -> list[Run]:
    """Return one run a task of a run of several; the run itself where it has one.

    Records, metrics and epochs of the views have the names that a run of the task alone would give them.
    """
    tasks = str(run["task"] or "au").split("+")
    if len(tasks) == 1:
        return [run]
    try:
        sets = label_tasks(str(run["label_set"]))
        stored = RunDirectory(run.path).arrays("counts.npz") if run.status == "done" else {}
    except FauError as error:
        return [replace(run, status="unreadable", fault=f"{error}; the run is left out")]
    return [_view(run, task, sets.get(task, task), _own(stored, task)) for task in tasks]


def _view(run: Run, task: str, label_set: str, counts: dict[str, NDArray[Any]]) -> Run:
    record: dict[str, Any] = run.record | {
        "experiment": f"{run.experiment}: {NAMES.get(task, task)}",
        "task": task,
        "label_set": label_set,
        "labels": task_labels(task, label_set),
        "threshold": run["threshold"] if task == "au" else None,
        "metrics": _own_metrics(run["metrics"] or {}, task),
    }
    view = replace(run, record=record, epochs=_own_metrics(run.epochs, task))
    if run.status != "done" or task == "va":
        return view
    return load_task(view, counts)


def _own(stored: dict[str, NDArray[Any]], task: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(f"{task}/"): values for name, values in stored.items() if name.startswith(f"{task}/")}


def _own_metrics(metrics: dict[str, Any], task: str) -> dict[str, Any]:
    """Return the metrics of one task without its name, and those of no task but the losses, which are of all."""
    own: dict[str, Any] = {}
    for name, value in metrics.items():
        part, _, rest = name.partition("/")
        if rest.startswith(f"{task}/"):
            own[f"{part}/{rest.removeprefix(f'{task}/')}"] = value
        elif rest.partition("/")[0] not in NAMES and rest != "loss":
            own[name] = value
    return own
