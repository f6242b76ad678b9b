"""The tables of epochs, one a row."""

from __future__ import annotations

from fau.report.build import Experiment
from fau.report.epochs import COLUMNS
from fau.report.tables.table import NONE, Table


def epoch_tables(experiment: Experiment) -> list[Table]:
    """One table a row: losses and scores of the part that chooses the checkpoint, epoch by epoch, mean over runs."""
    tables = []
    for row in experiment.rows:
        epochs = row.epochs
        columns = [column for column in COLUMNS if any(column[0] in epoch.values for epoch in epochs)]
        if not columns:
            continue
        table = Table(f"Epochs of {row.name}", ["epoch", *(heading for _, heading, _ in columns), "runs", "chosen"], [])
        for epoch in epochs:
            cells = [_epoch_cell(epoch.values.get(key), factor) for key, _, factor in columns]
            table.rows.append([str(epoch.number), *cells, str(epoch.runs), str(epoch.chosen or "")])
        parts = {str(run["selection"]) for run in row.runs}
        if "test" in parts:
            table.notes.append("† These scores are of the test fold, which chose the checkpoint: too high.")
        elif "rotating" in parts:
            table.notes.append("◊ These scores are of another fold each epoch, trained on in the others: too high.")
        elif len(columns) > 1:
            table.notes.append("Scores are of the validation subjects, who are in no test fold.")
        else:
            table.notes.append("No validation part: the last epoch is taken, as published rows do.")
        tables.append(table)
    return tables


def _epoch_cell(value: float | None, factor: float) -> str:
    """Print a loss with three decimals, what is in percent with two."""
    return NONE if value is None else f"{factor * value:.{3 if factor == 1 else 2}f}"
