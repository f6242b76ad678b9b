"""Tables of what is measured beside F1: accuracy, landmarks, losses, speed, epochs, where networks look."""

from __future__ import annotations

import math
from typing import Any

from fau.report.build import Experiment
from fau.report.costs import RunCost, cost
from fau.report.epochs import COLUMNS, epochs_of
from fau.report.explained import Explanation, explanation
from fau.report.tables import NONE, Table, bracket, count, percent, row_label


def side_by_side(experiment: Experiment) -> Table:
    """Each row in one line: scores, landmarks, losses, speed, attention; what no row has is left out."""
    rows = experiment.rows
    columns: list[tuple[str, list[str]]] = [
        ("F1", [percent(row.estimate.macro.value) for row in rows]),
        ("accuracy", [percent(row.accuracy) for row in rows]),
    ]
    if any(row.landmarks for row in rows):
        scores = [row.landmarks for row in rows]
        columns += [
            ("landmark error", [percent(score.error.value, digits=2) if score else NONE for score in scores]),
            ("failures", [percent(score.failures.value, digits=2) if score else NONE for score in scores]),
        ]
    losses = [row.losses for row in rows]
    rates = [row.images_per_second for row in rows]
    columns += [
        ("test loss", [_loss(row.test_loss) for row in rows]),
        (
            "training loss",
            [f"{_loss(pair[0])} to {_loss(pair[1])}" if pair else NONE for pair in losses],
        ),
        ("images/s", [NONE if rate is None else f"{rate:,.0f}" for rate in rates]),
        ("parameters", [count(row.parameters) for row in rows]),
    ]
    costs = [cost(row) for row in rows]
    columns += _cost_columns(costs)
    shown = [explanation(row) for row in rows]
    if any(one and one.tables for one in shown):
        columns.append(("attention", [_mean_ratio(one) for one in shown]))
    lines = [[row_label(row), *(cells[index] for _, cells in columns)] for index, row in enumerate(rows)]
    table = Table("Side by side", ["row", *(heading for heading, _ in columns)], lines)
    table.notes = [
        "The test loss is unweighted cross-entropy for all, the mean of folds; the training loss is each row's own "
        "function and weighting, first to last epoch: compare it within a row. images/s: training images a second, the "
        "median of runs, loading included, validation not."
    ]
    headings = [heading for heading, _ in columns]
    if "landmark error" in headings:
        table.notes.append("Landmark errors are percent of the eyes' distance, failures faces with more than 10 %.")
    table.notes += _cost_notes([one for one in costs if one])
    if headings[-1] == "attention":
        table.notes.append(
            "Attention: the share of each row's first map that is in the label's region, over chance, mean over labels."
        )
    return table


def _cost_columns(costs: list[RunCost | None]) -> list[tuple[str, list[str]]]:
    """Columns of what ``fau-bench --keep`` measured; none where it measured nothing."""
    sizes = sorted({size for one in costs if one for size in one.latency})
    if not sizes:
        return []
    return [
        ("GFLOP", [f"{one.gflop:.2f}" if one else NONE for one in costs]),
        ("frames/s", [_three(one.frames_per_s) if one else NONE for one in costs]),
        *((f"ms, batch {size}", [_milliseconds(one, size) for one in costs]) for size in sizes),
    ]


def _milliseconds(one: RunCost | None, size: int) -> str:
    return _three(one.latency[size]) if one and size in one.latency else NONE


def _three(number: float) -> str:
    """Return a number with three digits or all before the point."""
    return f"{number:,.0f}" if number >= 99.95 else f"{number:.3g}"


def _cost_notes(costs: list[RunCost]) -> list[str]:
    machines = list(dict.fromkeys(one.machine for one in costs))
    if not machines:
        return []
    mixed = "; times of different machines or loads do not compare" if len(machines) > 1 else ""
    return [
        "GFLOP: scoring one image, 2 a multiply-add. frames/s and ms: from crop to scores, medians of fau-bench on "
        f"{'; '.join(machines)}{mixed}."
    ]


def _loss(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _mean_ratio(shown: Explanation | None) -> str:
    """Mean over labels of the first method's share of attention in the label's region, over chance."""
    lines = shown.tables[0]["rows"] if shown and shown.tables else []
    ratios = [line["ratio"] for line in lines if isinstance(line.get("ratio"), int | float)]
    return f"{sum(ratios) / len(ratios):.2f}" if ratios else NONE


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


def epoch_tables(experiment: Experiment) -> list[Table]:
    """One table a row: losses and scores of the part that chooses the checkpoint, epoch by epoch, mean over runs."""
    tables = []
    for row in experiment.rows:
        epochs = epochs_of(row)
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


def explained_table(experiment: Experiment) -> Table | None:
    """How much more of the attention lies in a label's region than chance puts there; None where nothing is known."""
    table = Table("Attention inside the label's region, times chance", ["row", "faces", *experiment.labels], [])
    for row in experiment.rows:
        shown = explanation(row)
        for content in shown.tables if shown else ():
            lines = {str(line.get("label")): line for line in content["rows"]}
            cells = [_ratio(lines.get(label, {})) for label in experiment.labels]
            title = f"{row.name}, {content.get('method', '')}".rstrip(", ")
            table.rows.append([title, str(content.get("faces", NONE)), *cells])
    if not table.rows:
        return None
    table.notes.append(
        "Share of a map's mass that lies where the label's muscles are, over the share that an even map puts there: "
        "1.0 is chance. *: the 95 % interval over subjects is above 1."
    )
    return table


def _ratio(line: dict[str, Any]) -> str:
    ratio, low = line.get("ratio"), line.get("low")
    if not isinstance(ratio, int | float):
        return NONE
    return f"{ratio:.1f}" + ("*" if isinstance(low, int | float) and low > 1 else "")
