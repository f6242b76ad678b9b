"""The table of several tasks' score."""

from __future__ import annotations

from fau.report.tables.table import NONE, Table, bounds, number, p_text
from fau.report.tasks.multitask import MultiTaskExperiment

HEADINGS = {"au": "F1, action units", "expression": "F1, expressions", "va": "CCC, mean"}


def multitask_tables(experiment: MultiTaskExperiment, level: float = 0.95) -> list[Table]:
    """Return the table of the sum of the tasks' scores and its comparison."""
    interval = f"{100 * level:g} % interval"
    tasks = list(dict.fromkeys(part.task for row in experiment.rows for part in row.parts))
    headings = ["row", "score", interval, "Δ score", interval, "p (Holm)", "score, mean of folds"]
    table = Table("Score over all tasks", [*headings, *(HEADINGS[task] for task in tasks)], [])
    for index, row in enumerate(experiment.rows):
        cells = [row.name, number(row.score.value), bounds(row.score)]
        if row.difference is not None:
            cells += [number(row.difference.value, signed=True), bounds(row.difference, signed=True), p_text(row.p)]
        else:
            cells += [NONE if index else "reference", "", ""]
        known = {part.task: value for part, value in zip(row.parts, row.tasks, strict=True)}
        cells += [number(row.fold_mean), *(number(known[task]) if task in known else NONE for task in tasks)]
        table.rows.append(cells)
    first = experiment.rows[0]
    folds = f"{first.pooled.folds} fold{'s' if first.pooled.folds > 1 else ''}"
    table.notes = [
        f"{len(first.pooled.groups)} subjects, {folds}. The score is the sum of the columns on the right, each pooled "
        f"over the test folds{_abaw(first.parts)}; intervals and tests are over subjects, and the sum's are its own."
    ]
    if not any(row.difference for row in experiment.rows):
        table.headings[3:6] = []
        for cells in table.rows:
            cells[3:6] = []
    return [table]


def _abaw(parts: tuple[object, ...]) -> str:
    return ": P_MTL of the ABAW challenges" if len(parts) == len(HEADINGS) else ""
