"""The tables of an experiment."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fau.report.build import Experiment, Report
from fau.report.classes_table import class_tables
from fau.report.holdout_table import holdout_table
from fau.report.metric_tables import accuracy_table, epoch_tables, explained_table, landmark_table, side_by_side
from fau.report.published_table import published_table
from fau.report.rows import MARKS, Row
from fau.report.tables import NONE, Table, bracket, p_text, percent, row_label, time_text
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


# How a run's checkpoint was chosen, by ``selection`` in its record.
CHOICES = {"val": "best, validation", "last": "last epoch", "test": "best, TEST FOLD", "rotating": "best, ROTATING"}


def _range(numbers: Sequence[int | None]) -> str:
    known = sorted({number for number in numbers if number is not None})
    if not known:
        return NONE
    return str(known[0]) if len(known) == 1 else f"{known[0]} to {known[-1]}"


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
            star = "*" if p < 0.05 else ""
            starred = starred or bool(star)
            cells.append(percent(interval.value, signed=True) + star)
        star = "*" if against.p < 0.05 else ""
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


def all_tables(report: Report, experiment: Experiment, brief: bool = False) -> list[Table]:
    """Every table of an experiment that is no longer than its rows, in order.

    Args:
        report: Of which it is.
        experiment: Which.
        brief: As a terminal shows them: published rows without their labels.
    """
    tables = [
        score_table(experiment, report.level),
        side_by_side(experiment),
        *class_tables(experiment, report.level),
        holdout_table(experiment, report.level),
        label_table(experiment),
        landmark_table(experiment, report.level),
        run_table(experiment),
        explained_table(experiment),
        published_table(experiment, with_labels=not brief),
    ]
    return [table for table in tables if table is not None]


def long_tables(experiment: Experiment) -> list[Table]:
    """What only files hold: accuracy by label, and scores by epoch."""
    accuracies = accuracy_table(experiment)
    return [*([accuracies] if accuracies else []), *epoch_tables(experiment)]
