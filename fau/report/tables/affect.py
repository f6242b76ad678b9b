"""The tables of valence and arousal."""

from __future__ import annotations

from fau.report.tables.table import NONE, Table, bounds, number, p_text
from fau.report.tasks.affect import AffectExperiment
from fau.stats import spread


def affect_tables(experiment: AffectExperiment, level: float = 0.95) -> list[Table]:
    """Return the table of mean CCC and its comparison, and that of valence and arousal each."""
    interval = f"{100 * level:g} % interval"
    headings = ["row", "CCC", interval, "Δ CCC", interval, "p (Holm)", "CCC, mean of folds", "RMSE", interval]
    table = Table("Mean CCC of valence and arousal, pooled over test folds", headings, [])
    for index, row in enumerate(experiment.rows):
        cells = [row.name, number(row.ccc.macro.value), bounds(row.ccc.macro)]
        if row.difference is not None:
            macro = row.difference.macro
            cells += [number(macro.value, signed=True), bounds(macro, signed=True), p_text(row.p)]
        else:
            cells += [NONE if index else "reference", "", ""]
        cells += [number(row.fold_mean), number(row.rmse.macro.value), bounds(row.rmse.macro)]
        table.rows.append(cells)
        if len(row.seeds) > 1:
            table.secondary.add(len(table.rows))
            mean = f"{number(row.ccc.macro.value)} ± {number(spread(row.ccc.seeds))}"
            table.rows.append([f"{len(row.seeds)} seeds, ± sd", mean, *[""] * (len(headings) - 2)])
    folds = f"{experiment.rows[0].folds} fold{'s' if experiment.rows[0].folds > 1 else ''}"
    table.notes = [
        f"{len(experiment.rows[0].groups)} subjects, {folds}. CCC is Lin's, with moments that "
        "divide by n, of all test frames that have the label; intervals and tests are over subjects."
    ]
    labels = experiment.rows[0].labels
    parts = ["CCC", interval, "RMSE", "r", "sign agreement"]
    each = Table("Valence and arousal", ["row"], [])
    each.headings += [f"{label}: {part}" if part == "CCC" else part for label in labels for part in parts]
    for row in experiment.rows:
        cells = [row.name]
        for index in range(len(labels)):
            ccc = row.ccc.labels[index]
            cells += [number(ccc.value), bounds(ccc), number(row.rmse.labels[index].value)]
            cells += [number(row.pearson[index]), number(row.sagr[index])]
        each.rows.append(cells)
    return [table, each]
