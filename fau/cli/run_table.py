"""The table that a finished run prints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fau.labels import label_tasks, task_labels
from fau.landmarks import FAILURE
from fau.units import duration

RANKED = {"roc_auc": "ROC-AUC", "average_precision": "avg. precision"}
COLUMNS = {
    "au": {"f1": "F1", "accuracy": "accuracy"} | RANKED,
    "expression": {"f1": "F1", "recall": "recall"} | RANKED,
    "va": {"ccc": "CCC", "rmse": "RMSE", "pearson": "Pearson's r", "sagr": "sign agreement"},
}
HEADINGS = {"au": "AU", "expression": "expression", "va": ""}
MEANS = {"au": "macro", "expression": "macro", "va": "mean"}


def print_run(record: Mapping[str, Any], path: Path) -> None:
    """Print the test metrics of a finished run, a table a task, one row a label, and what chose the checkpoint.

    Args:
        record: The run record.
        path: The run directory.
    """
    metrics: Mapping[str, float] = record["metrics"]
    part = record.get("fold_name", "")
    fold = f"{record['fold']} of {record['folds']}" + ("" if part in ("", str(record["fold"])) else f", {part}")
    title: str | None = f"{record['name']}, test fold {fold} ({record['crop_set']['name']})"
    console = Console()
    tasks = str(record.get("task", "au")).split("+")
    for task, part in _labels(record, tasks).items():
        prefix = "test/" if len(tasks) == 1 else f"test/{task}/"
        columns = COLUMNS[task]
        table = Table(title=title, title_justify="left")
        table.add_column(HEADINGS[task])
        for heading in columns.values():
            table.add_column(heading, justify="right")
        for label in part:
            table.add_row(label, *(_number(metrics.get(f"{prefix}{key}/{label}")) for key in columns))
        table.add_section()
        means = (_number(metrics.get(f"{prefix}{key}_{MEANS[task]}")) for key in columns)
        table.add_row("mean", *means, style="bold")
        console.print(table)
        if f"{prefix}landmark_error" in metrics:
            error, failures = (100 * metrics[f"{prefix}{key}"] for key in ("landmark_error", "landmark_failures"))
            console.print(
                f"landmarks: mean error {error:.2f} % of the eyes' distance, {failures:.2f} % failures (above "
                f"{100 * FAILURE:g} %)",
                highlight=False,
            )
        if f"{prefix}accuracy" in metrics:
            console.print(f"accuracy over all frames: {_number(metrics[f'{prefix}accuracy'])}", highlight=False)
        title = None
    if len(tasks) > 1:
        console.print(f"sum of the tasks' scores: {_number(metrics.get('test/mtl_score'))}", highlight=False)
    chosen = {
        "val": f"epoch {record['best_epoch'] + 1} of {record['epochs']}, chosen on validation subjects",
        "test": f"epoch {record['best_epoch'] + 1} of {record['epochs']}, CHOSEN ON THE TEST FOLD",
        "rotating": f"epoch {record['best_epoch'] + 1} of {record['epochs']}, CHOSEN ON FOLDS TRAINED ON BY TURNS",
        "last": f"last of {record['epochs']} epochs",
    }[record["selection"]]
    rate = f", {record['images_per_s']:.0f} images/s" if record.get("images_per_s") else ""
    console.print(f"{chosen}; {duration(record['wall_s'])}{rate}", highlight=False)
    for text in record.get("warnings") or []:
        console.print(f"warning: {text}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"run directory: {path}", highlight=False, soft_wrap=True)


def _labels(record: Mapping[str, Any], tasks: list[str]) -> dict[str, list[str]]:
    """Return the labels of each task."""
    if len(tasks) == 1:
        return {tasks[0]: record["labels"]}
    return {task: task_labels(task, name) for task, name in label_tasks(record["label_set"]).items()}


def _number(value: float | None) -> str:
    return "absent" if value is None or math.isnan(value) else f"{value:.3f}"
