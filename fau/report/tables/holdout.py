"""The table of the hold-out set."""

from __future__ import annotations

from fau.report.build import Experiment
from fau.report.tables.table import NONE, Table, bracket, percent, row_label
from fau.stats import spread


def holdout_table(experiment: Experiment, level: float) -> Table | None:
    """Return the table of the hold-out set; None where no row has one."""
    rows = [(row, row.holdout) for row in experiment.rows if row.holdout is not None]
    if not rows:
        return None
    interval = f"{100 * level:g} % interval"
    classes = any(scores.recall for _, scores in rows)
    headings = ["row", "F1", interval, *(["balanced accuracy", interval] if classes else []), "accuracy"]
    table = Table("Hold-out set", [*headings, "F1, s.d. over models", "models", "subjects"], [])
    for row, scores in rows:
        cells = [row_label(row), percent(scores.f1.macro.value), bracket(scores.f1.macro)]
        if classes:
            recall = scores.recall.macro if scores.recall else None
            cells += [percent(recall.value), bracket(recall)] if recall else [NONE, NONE]
        deviation = percent(spread(scores.f1.seeds))
        table.rows.append([*cells, percent(scores.accuracy), deviation, str(scores.models), str(scores.f1.groups)])
    table.notes = ["Scores of each fold's model on the subjects that are in no fold, averaged over the models."]
    return table
