"""The tables of text 001: each class's top-1 and top-2, their mean and variance, one row a model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fau.report.build import Experiment
from fau.report.published import PublishedRow
from fau.report.scores.classes import ClassScores
from fau.report.tables.published import UNLIKE, unlike
from fau.report.tables.table import NONE, Table, bracket, percent, row_label
from fau.stats import Estimate

BEST, WORST = "▲", "▼"
ROUNDING = 0.5  # points, by as much the mean of classes printed with two decimals may differ


def class_tables(experiment: Experiment, level: float) -> list[Table]:
    """Return the tables of a single-label experiment; none where no row kept what they need."""
    rows = [(row_label(row), row.classes) for row in experiment.rows if row.classes is not None]
    if not rows:
        return []
    tables = [_top_table(1, experiment, [(name, scores.top1, scores.top1_variance) for name, scores in rows], level)]
    two = [(name, scores.top2, scores.top2_variance) for name, scores in rows if scores.top2 is not None]
    if two:
        tables.append(_top_table(2, experiment, two, level))
    tables.append(_summary(rows, experiment, level))
    if len(rows) == 1:
        tables.append(_confusion(rows[0][1], experiment.labels))
    return tables


def _top_table(number: int, experiment: Experiment, rows: Sequence[tuple[str, Estimate, float]], level: float) -> Table:
    """Top-1 or top-2 of each class; the best and the worst of each column are marked."""
    headings = ["row", *experiment.labels, "mean", f"{100 * level:g} % interval", "variance"]
    table = Table(f"Top-{number} accuracy by class", headings, [])
    values = [[label.value for label in estimate.labels] + [estimate.macro.value] for _, estimate, _ in rows]
    columns = [_marked(column) for column in zip(*values, strict=True)]
    spread = _marked([variance for _, _, variance in rows], digits=4, less_is_better=True)
    published = [row for row in experiment.published if row.tops[f"top{number}"]]
    table.rows += [_published(row, number, experiment) for row in published]
    for index, (name, estimate, _) in enumerate(rows):
        cells = [column[index] for column in columns]
        table.rows.append([name, *cells, bracket(estimate.macro), spread[index]])
    what = "is called so" if number == 1 else "is among the two that score highest"
    table.notes = [
        f"Share of each class's test frames whose class {what}, pooled over test folds, and the mean over classes"
        f"{', which is the balanced accuracy' if number == 1 else ''}. The variance is over the classes, of shares.",
    ]
    if len(rows) > 1:
        table.notes.append(f"{BEST} best and {WORST} worst of a column{', of our rows' if published else ''}.")
    if published:
        table.notes += _about(published, number, experiment)
    return table


def _published(row: PublishedRow, number: int, experiment: Experiment) -> list[str]:
    """Print a published row; mean and variance are of its classes, not as printed."""
    known = {label: float(text) / 100 for label, text in row.tops[f"top{number}"].items()}
    values = list(known.values())
    name = f"{row.method} {UNLIKE}" if unlike(row, experiment) else row.method
    cells = [name, *(percent(known.get(label)) for label in experiment.labels), percent(float(np.mean(values)))]
    return [*cells, NONE, f"{np.var(values):.4f}"]


def _about(rows: Sequence[PublishedRow], number: int, experiment: Experiment) -> list[str]:
    """Say where published rows are from, and which of their means do not follow from their classes."""
    sources = "; ".join(f"{row.method}: {row.paper} ({row.read_in})" for row in rows)
    notes = [f"Published, not made again here, mean and variance from the classes: {sources}."]
    if any(unlike(row, experiment) for row in rows):
        notes.append(f"{UNLIKE} Not comparable with our rows: another corpus or other folds.")
    for row in rows:
        printed = row.metrics.get(f"top{number}_mean")
        mean = float(np.mean([float(text) for text in row.tops[f"top{number}"].values()]))
        if printed is not None and abs(float(printed) - mean) > ROUNDING:
            notes.append(f"{row.method}: the mean is printed as {printed}, its classes give {mean:.1f}.")
        notes += [f"{row.method}: {warning}." for warning in row.warnings]
    return notes


def _marked(values: Sequence[float], digits: int | None = None, less_is_better: bool = False) -> list[str]:
    """Print a column, its best and its worst value marked where they differ."""
    known = [value for value in values if not math.isnan(value)]
    texts = [
        percent(value) if digits is None else NONE if math.isnan(value) else f"{value:.{digits}f}" for value in values
    ]
    if len(known) < 2 or min(known) == max(known):
        return texts
    best, worst = (min(known), max(known)) if less_is_better else (max(known), min(known))
    marks = [BEST if value == best else WORST if value == worst else "" for value in values]
    return [f"{text} {mark}" if mark else text for text, mark in zip(texts, marks, strict=True)]


def _summary(rows: Sequence[tuple[str, ClassScores]], experiment: Experiment, level: float) -> Table:
    """Macro F1, balanced accuracy and calibration side by side."""
    interval = f"{100 * level:g} % interval"
    table = Table(
        "Balance and calibration", ["row", "macro F1", interval, "balanced accuracy", interval, "accuracy", "ECE"], []
    )
    with_classes = [row for row in experiment.rows if row.classes is not None]
    for row, (name, scores) in zip(with_classes, rows, strict=True):
        f1, recall = row.estimate.macro, scores.top1.macro
        cells = [name, percent(f1.value), bracket(f1), percent(recall.value), bracket(recall), percent(row.accuracy)]
        table.rows.append([*cells, percent(scores.calibration_error)])
    table.notes = [
        "ECE: expected calibration error, the mean distance between the score of the class called and the share of "
        "right calls among frames with like scores (15 equally wide bins)."
    ]
    return table


def _confusion(scores: ClassScores, labels: Sequence[str]) -> Table:
    """What each class's frames are called, in percent of them."""
    table = Table("Confusion", ["class", *(f"called {label}" for label in labels)], [])
    for label, shares in zip(labels, scores.confusion, strict=True):
        table.rows.append([label, *(percent(float(share)) if np.isfinite(share) else NONE for share in shares)])
    return table
