"""Epoch by epoch: what each row's runs wrote into ``metrics.csv``, averaged over them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fau.report.load import Run

# Columns of the table of epochs, where a row's runs have them: key of metrics.csv, heading, factor.
COLUMNS: tuple[tuple[str, str, float], ...] = (
    ("train/loss", "training loss", 1),
    ("val/loss", "loss", 1),
    ("val/f1_macro", "F1", 100),
    ("val/accuracy_macro", "accuracy", 100),
    ("val/landmark_error", "landmark error", 100),
    ("val/landmark_failures", "failures", 100),
)


@dataclass(frozen=True)
class Epoch:
    """One epoch of a row.

    Attributes:
        number: Counted from 1.
        values: Mean over the runs that reached it, by key of ``metrics.csv``, as written there.
        runs: Number of runs that reached it.
        chosen: Number of runs whose checkpoint is from it.
    """

    number: int
    values: dict[str, float]
    runs: int
    chosen: int


def epochs_of(runs: list[Run]) -> list[Epoch]:
    """Return the epochs of a row's runs, first to last."""
    keys = [key for key, _, _ in COLUMNS if any(key in run.epochs for run in runs)]
    means = {key: dict(mean_curve([run.epochs for run in runs if key in run.epochs], key)) for key in keys}
    reached = [{int(e) + 1 for e in run.epochs.get("epoch", []) if e is not None} for run in runs]
    chosen = [int(run["best_epoch"]) + 1 for run in runs if run["best_epoch"] is not None]
    return [
        Epoch(
            number,
            {key: means[key][number] for key in keys if number in means[key]},
            sum(number in some for some in reached),
            chosen.count(number),
        )
        for number in sorted(set().union(*reached))
    ]


def mean_curve(runs: list[dict[str, list[float | None]]], key: str) -> list[tuple[int, float]]:
    """Average a column of ``metrics.csv`` over the runs that have a number at an epoch; epochs count from 1."""
    values: dict[int, list[float]] = {}
    for epochs in runs:
        for epoch, value in zip(epochs.get("epoch", []), epochs[key], strict=False):
            if epoch is not None and value is not None and math.isfinite(value):
                values.setdefault(int(epoch) + 1, []).append(value)
    return [(epoch, sum(values[epoch]) / len(values[epoch])) for epoch in sorted(values)]
