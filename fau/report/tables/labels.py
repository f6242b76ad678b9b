"""The tables of F1 and accuracy label by label."""

from __future__ import annotations

import math

from fau.report.build import Experiment
from fau.report.rows import ALPHA
from fau.report.tables.table import Table, percent, row_label


def label_table(experiment: Experiment) -> Table:
    """Pooled F1 of each label, and its difference to the reference where there is one."""
    table = Table(f"F1 of each {experiment.noun}, pooled over test folds", ["row", *experiment.labels, "mean"], [])
    starred = False
    for row in experiment.rows:
        known = dict(zip(row.labels, row.estimate.labels, strict=True))
        values = [known[label].value if label in known else math.nan for label in experiment.labels]
        table.rows.append([row_label(row), *map(percent, [*values, row.estimate.macro.value])])
        against = row.comparison
        if against is None:
            continue
        cells = ["  Δ"]
        for interval, p in zip(against.difference.labels, against.label_p, strict=True):
            star = "*" if p < ALPHA else ""
            starred = starred or bool(star)
            cells.append(percent(interval.value, signed=True) + star)
        star = "*" if against.p < ALPHA else ""
        starred = starred or bool(star)
        cells.append(percent(against.difference.macro.value, signed=True) + star)
        table.secondary.add(len(table.rows))
        table.rows.append(cells)
    if len(experiment.rows) > 1:
        table.notes.append(
            "Δ: F1 less that of the reference. *: p < 0.05 by the paired swap test, Holm over "
            f"{experiment.noun}s and rows (the mean: over rows)." + ("" if starred else " None is.")
        )
    return table


def accuracy_table(experiment: Experiment) -> Table | None:
    """Pooled accuracy of each label; None for expressions, of which the share of right frames is the only one."""
    if experiment.noun == "expression":
        return None
    title = f"Accuracy of each {experiment.noun}, pooled over test folds"
    table = Table(title, ["row", *experiment.labels, "mean"], [])
    for row in experiment.rows:
        known = dict(zip(row.labels, row.label_accuracy, strict=True))
        values = [known.get(label, math.nan) for label in experiment.labels]
        table.rows.append([row_label(row), *map(percent, [*values, row.accuracy])])
    return table
