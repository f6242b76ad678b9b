"""The table with each row in one line: scores, landmarks, losses, speed, attention."""

from __future__ import annotations

from fau.report.build import Experiment
from fau.report.costs import RunCost, cost
from fau.report.explained import Explanation, explanation
from fau.report.tables.table import NONE, Table, count, percent, row_label


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
