"""The tables of a report as headings and text cells, for every output alike.

Scores (F1, ROC-AUC, average precision, accuracy) and their differences are printed times 100 with one decimal; CSV
files hold fractions in full precision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fau.report.build import Experiment, Report
from fau.report.rows import MARKS, Row
from fau.stats import Interval, macro_mean, spread
from fau.units import duration

NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


@dataclass
class Table:
    """A table of text.

    Attributes:
        title: What it shows.
        headings: One a column; the first column holds names and is left-aligned, the others are right-aligned.
        rows: Cells.
        secondary: Indices of rows that explain the row above.
        notes: Sentences below.
    """

    title: str
    headings: list[str]
    rows: list[list[str]]
    secondary: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def percent(value: float | None, signed: bool = False) -> str:
    """Print a score times 100 with one decimal and a true minus sign."""
    if value is None or math.isnan(value):
        return NONE
    text = f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}"
    if float(text) == 0:
        text = "0.0"
    return text.replace("-", MINUS)


def bracket(interval: Interval, signed: bool = False) -> str:
    """Print the bounds of an interval, or a dash where none could be estimated."""
    if not interval.estimable:
        return NONE
    return f"[{percent(interval.low, signed)}, {percent(interval.high, signed)}]"


def p_text(p: float) -> str:
    """Print a p-value with three decimals."""
    if math.isnan(p):
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def time_text(seconds: float | None) -> str:
    """Print a time in its natural unit."""
    return NONE if seconds is None else duration(seconds)


def count(number: int | None) -> str:
    """Print a number of parameters."""
    if number is None:
        return NONE
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return str(number)


def row_label(row: Row) -> str:
    """Name of a row with its marks."""
    return row.name + (" " + "".join(mark for mark in MARKS if mark in row.marks) if row.marks else "")


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
    """What each row was trained on and what it cost."""
    headings = ["row", "subjects", "folds", "seeds", "threshold", "parameters", "images/s", "time, all runs"]
    table = Table("Runs", headings, [])
    for row in experiment.rows:
        rate = row.images_per_second
        thresholds = sorted({NONE if run["threshold"] is None else str(run["threshold"]) for run in row.runs})
        cells = [row_label(row), str(len(row.groups)), f"{len(row.folds)} of {row.expected_folds}", str(len(row.seeds))]
        cells += [", ".join(thresholds), count(row.parameters), NONE if rate is None else f"{rate:,.0f}"]
        table.rows.append([*cells, time_text(row.seconds)])
    return table


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


def published_table(experiment: Experiment) -> Table | None:
    """Published rows as the experiment's configuration gives them."""
    if not experiment.published:
        return None
    keys: list[str] = []
    for entry in experiment.published:
        keys += [key for key in entry if key not in keys]
    keys.sort(key=lambda key: key != "row")
    headings = [_SCORES.get(key, key.replace("_", " ")) for key in keys]
    rows = [[_published_cell(key, entry.get(key)) for key in keys] for entry in experiment.published]
    note = "As published: other data and protocols than the rows above, so no test."
    return Table("Published rows", headings, rows, notes=[note])


_SCORES = {"f1_macro": "macro F1", "roc_auc_macro": "ROC-AUC", "accuracy_macro": "accuracy"}


def _published_cell(key: str, value: Any) -> str:
    """Print a published value: scores in percent, with the two decimals that some papers give."""
    if key in _SCORES and isinstance(value, float):
        return f"{100 * value:.2f}" if value <= 1 else f"{value:.2f}"
    if value is None:
        return NONE
    if isinstance(value, dict):
        return ", ".join(f"{inner} {_published_cell(inner, entry)}" for inner, entry in value.items())
    return ", ".join(_published_cell("", entry) for entry in value) if isinstance(value, list) else str(value)


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


def all_tables(report: Report, experiment: Experiment) -> list[Table]:
    """Every table of an experiment, in order."""
    tables = [score_table(experiment, report.level), label_table(experiment), run_table(experiment)]
    published = published_table(experiment)
    return tables + ([published] if published else [])
