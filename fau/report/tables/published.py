"""Published rows beside ours: what papers print, what their labels average to, and what keeps the two apart."""

from __future__ import annotations

from decimal import Decimal

from fau.report.build import Experiment
from fau.report.published import PublishedRow
from fau.report.rows import Row
from fau.report.tables.table import NONE, Table, percent, row_label

# Metrics of published rows: key, heading, and whether it is printed in percent already.
_METRICS = (
    ("f1_macro", "F1, mean of folds", True),
    ("f1_macro_recomputed", "recomputed", True),
    ("accuracy", "accuracy", True),
    ("landmark_error", "landmark error", False),
    ("landmark_failures", "failures", False),
)
UNLIKE, DOUBT = "≠", "!"


def published_table(experiment: Experiment, with_labels: bool = True) -> Table | None:
    """Our rows, then published ones of the same labels; None where there are none of these.

    Args:
        experiment: Which holds both.
        with_labels: Give F1 of each label too.
    """
    ours = {key for key, _, _ in _METRICS}  # rows of classes alone stand in their tables
    rows = [row for row in experiment.published if row.labels or ours & set(row.metrics)]
    if not rows:
        return None
    shown = [metric for metric in _METRICS if any(metric[0] in row.metrics for row in rows)]
    labels = [label for label in experiment.labels if with_labels and any(label in row.labels for row in rows)]
    headings = ["row", "corpus", "source", *(heading for _, heading, _ in shown), *labels]
    table = Table("Published rows beside ours", headings, [])
    for row in experiment.rows:
        own, by_label = _own(row), dict(zip(row.labels, row.label_fold_mean, strict=True))
        cells = [row_label(row), _where(row), "these runs", *(own[key] for key, _, _ in shown)]
        table.rows.append(cells + [percent(by_label.get(label)) for label in labels])
    other = {id(row): unlike(row, experiment) for row in rows}
    for published in rows:
        marks = UNLIKE * other[id(published)] + DOUBT * bool(published.discrepancy)
        where = published.corpus + (f", {published.part}" if published.part not in ("", "test folds") else "")
        cells = [f"{published.method} {marks}".strip(), where, published.paper]
        cells += [_metric(published.metrics.get(key), percent_already) for key, _, percent_already in shown]
        table.rows.append(cells + [published.labels.get(label, NONE) for label in labels])
    table.notes = _notes(rows, any(other.values()))
    return table


def _own(row: Row) -> dict[str, str]:
    """Our numbers; F1 is the mean of folds, as papers make it, the others are pooled."""
    landmarks = row.landmarks
    return {
        "f1_macro": percent(row.fold_mean),
        "f1_macro_recomputed": "",
        "accuracy": percent(row.accuracy),
        "landmark_error": NONE if landmarks is None else percent(landmarks.error.value, digits=2),
        "landmark_failures": NONE if landmarks is None else percent(landmarks.failures.value, digits=2),
    }


def _where(row: Row) -> str:
    corpora = sorted({str((run["crop_set"] or {}).get("corpus", "")) for run in row.runs})
    return ", ".join(corpora)


def unlike(published: PublishedRow, experiment: Experiment) -> bool:
    """Whether a published row was tested on another corpus or other folds than our rows, or nobody knows."""
    used = [run for row in experiment.rows for run in row.runs]
    tested = {(str((run["crop_set"] or {}).get("corpus", "")), str(run["protocol"])) for run in used}
    return not all(published.is_of(*one) and published.same_folds(one[1]) for one in tested)


def _metric(text: str | None, percent_already: bool) -> str:
    """Print a published number in percent with the digits that it was published with."""
    if text is None:
        return NONE
    return text if percent_already else f"{(Decimal(text) * 100).normalize():f}"


def _notes(rows: list[PublishedRow], some_unlike: bool) -> list[str]:
    sentences = ["Published numbers are copied, not made again here: no interval, no test against them."]
    if some_unlike:
        sentences.append(
            f"{UNLIKE} Not comparable with our rows: another corpus, or other folds, or folds that nobody here checked."
        )
    for row in rows:
        if row.discrepancy:
            sentences.append(f"{DOUBT} {row.method} ({row.corpus}): {row.discrepancy}.")
    said: dict[str, list[str]] = {}
    for row in rows:
        for warning in row.warnings:
            said.setdefault(warning, []).append(row.method)
    sentences += [f"{'; '.join(dict.fromkeys(methods))}: {warning}." for warning, methods in said.items()]
    return sentences
