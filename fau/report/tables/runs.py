"""The table of runs: what each row was trained and tested on."""

from __future__ import annotations

from collections.abc import Sequence

from fau.report.build import Experiment
from fau.report.tables.table import NONE, Table, row_label, time_text

# How a run's checkpoint was chosen, by ``selection`` in its record.
CHOICES = {"val": "best, validation", "last": "last epoch", "test": "best, TEST FOLD", "rotating": "best, ROTATING"}


def run_table(experiment: Experiment) -> Table:
    """What each row was trained and tested on."""
    headings = ["row", "subjects", "folds", "seeds", "epochs", "checkpoint", "threshold", "time, all runs"]
    table = Table("Runs", headings, [])
    for row in experiment.rows:
        thresholds = sorted({NONE if run["threshold"] is None else str(run["threshold"]) for run in row.runs})
        chosen = sorted({CHOICES.get(str(run["selection"]), NONE) for run in row.runs})
        cells = [row_label(row), str(len(row.groups)), f"{len(row.folds)} of {row.expected_folds}", str(len(row.seeds))]
        cells += [_range([run["epochs"] for run in row.runs]), ", ".join(chosen), ", ".join(thresholds)]
        table.rows.append([*cells, time_text(row.seconds)])
    return table


def _range(numbers: Sequence[int | None]) -> str:
    known = sorted({number for number in numbers if number is not None})
    if not known:
        return NONE
    return str(known[0]) if len(known) == 1 else f"{known[0]} to {known[-1]}"
