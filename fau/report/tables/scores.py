"""The table of scores: macro F1 of each row and its comparison with the reference."""

from __future__ import annotations

from collections.abc import Sequence

from fau.report.build import Experiment
from fau.report.rows import MARKS, Row
from fau.report.tables.table import NONE, Table, bracket, p_text, percent, row_label
from fau.stats import macro_mean, spread


def score_table(experiment: Experiment, level: float) -> Table:
    """Scores of each row, its difference to the reference and the test of it."""
    interval = f"{100 * level:g} % interval"
    headings = ["row", "F1", interval, "Δ F1", interval, "p (Holm)", "F1, mean of folds", "ROC-AUC", "AP", "accuracy"]
    table = Table("Macro F1, pooled over test folds", headings, [])
    for row in experiment.rows:
        against = row.comparison
        cells = [row_label(row), percent(row.estimate.macro.value), bracket(row.estimate.macro)]
        if against is not None:
            macro = against.difference.macro
            cells += [percent(macro.value, signed=True), bracket(macro, signed=True), p_text(against.p)]
        else:
            cells += ["reference" if row is experiment.reference else NONE, "", ""]
        ranking = row.ranking
        cells += [percent(row.fold_mean)]
        cells += [percent(float(macro_mean(ranking.roc_auc))) if ranking else NONE]
        cells += [percent(float(macro_mean(ranking.average_precision))) if ranking else NONE, percent(row.accuracy)]
        table.rows.append(cells)
        if len(row.seeds) > 1:
            table.secondary.add(len(table.rows))
            table.rows.append(_seed_cells(row, len(headings)))
    table.notes = notes(experiment, level)
    if not any(row.comparison for row in experiment.rows):
        table.headings[3:6] = []
        for cells in table.rows:
            cells[3:6] = []
    return table


def _seed_cells(row: Row, columns: int) -> list[str]:
    """The line of a row that was trained from several seeds: mean and standard deviation over them."""

    def line(values: Sequence[float], signed: bool = False) -> str:
        return f"{percent(float(macro_mean(values)), signed)} ± {percent(spread(values))}"

    cells = [f"  over {len(row.seeds)} seeds, ± s.d.", line(row.estimate.seeds)]
    if row.comparison is not None and len(row.comparison.seeds) > 1:
        cells += ["", line(row.comparison.difference.seeds, signed=True)]
    return cells + [""] * (columns - len(cells))


def notes(experiment: Experiment, level: float) -> list[str]:
    """Say what the numbers of the score table are."""
    sentences = [
        f"Scores are percent. F1 of an {experiment.noun} is from TP, FP and FN pooled over the test folds; macro F1 is "
        f"the mean over {experiment.noun}s. The mean of folds, as papers give it, is another number.",
        f"{100 * level:g} % intervals and tests are over subjects and treat the trained models as fixed: they speak "
        "of other subjects, not of other trainings.",
    ]
    compared = [row.comparison for row in experiment.rows if row.comparison is not None]
    if compared:
        kind = "all swaps" if all(c.exact for c in compared) else "random swaps"
        sentences.append(
            f"Δ is to '{experiment.reference.name}'; p: paired swap test over subjects ({kind}), two-sided, Holm over "
            "rows."
        )
    if any(row.ranking for row in experiment.rows):
        sentences.append("ROC-AUC and average precision (AP) are means over folds, since folds differ in scale.")
    if experiment.absent:
        listed = ", ".join(experiment.absent)
        sentences.append(f"No positive of {listed} was coded in the test folds: left out of every mean.")
    marks = set().union(*(row.marks for row in experiment.rows))
    sentences += [f"{mark} {text}." for mark, text in MARKS.items() if mark in marks]
    for row in experiment.rows:
        sentences += [f"{row.name}: {note}." for note in row.notes]
        if row.comparison is not None and row.comparison.note:
            sentences.append(f"{row.name}: compared {row.comparison.note}.")
    return sentences
