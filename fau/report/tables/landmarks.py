"""The table of landmark errors."""

from __future__ import annotations

from fau.report.build import Experiment
from fau.report.tables.table import Table, bracket, percent, row_label


def landmark_table(experiment: Experiment, level: float) -> Table | None:
    """Landmark error and failure rate of the rows that have them."""
    interval = f"{100 * level:g} % interval"
    table = Table(
        "Landmarks, pooled over test folds", ["row", "mean error", interval, "failures", interval, "faces"], []
    )
    for row in experiment.rows:
        scores = row.landmarks
        if scores is None:
            continue
        cells = [row_label(row), percent(scores.error.value, digits=2), bracket(scores.error, digits=2)]
        cells += [percent(scores.failures.value, digits=2), bracket(scores.failures, digits=2), f"{scores.faces:,}"]
        table.rows.append(cells)
        if scores.failures.note and scores.failures.estimable:
            table.notes.append(f"{row.name}: {scores.failures.note}.")
    if not table.rows:
        return None
    table.notes.insert(
        0,
        "Mean error: mean distance of a face's points to the stored ones, in percent of the distance between the "
        "centres of its eyes, mean over faces. Failures: share of faces whose error is above 10 %. Intervals are over "
        "subjects.",
    )
    return table
