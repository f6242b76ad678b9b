"""A report as CSV files: fractions in full precision."""

from __future__ import annotations

import csv
import io
import math
from decimal import Decimal

from fau.report.build import Report
from fau.report.epochs import COLUMNS
from fau.report.published import METRICS
from fau.report.rows import MARKS
from fau.report.tables.published import unlike
from fau.stats import Interval, macro_mean, spread


def csv_rows(report: Report) -> str:
    """Return one line a row, scores as fractions."""
    lines: list[dict[str, object]] = []
    for experiment in report.experiments:
        for row in experiment.rows:
            against = row.comparison
            line: dict[str, object] = {
                "experiment": experiment.name,
                "row": row.name,
                "reference": row is experiment.reference,
                **_bounds("f1_macro", row.estimate.macro),
                "f1_macro_fold_mean": row.fold_mean,
                "f1_macro_seed_sd": spread(row.estimate.seeds),
                **_bounds("difference", against.difference.macro if against else None),
                "p": against.p_raw if against else None,
                "p_holm": against.p if against else None,
                "groups_compared": against.groups if against else None,
                "roc_auc": float(macro_mean(row.ranking.roc_auc)) if row.ranking else None,
                "average_precision": float(macro_mean(row.ranking.average_precision)) if row.ranking else None,
                "accuracy": row.accuracy,
                **_bounds("landmark_error", row.landmarks.error if row.landmarks else None),
                **_bounds("landmark_failures", row.landmarks.failures if row.landmarks else None),
                "train_loss_first": row.losses[0] if row.losses else None,
                "train_loss_last": row.losses[1] if row.losses else None,
                "test_loss": row.test_loss,
                "groups": len(row.groups),
                "folds": len(row.folds),
                "expected_folds": row.expected_folds,
                "seeds": len(row.seeds),
                "wall_s": row.seconds,
                "parameters": row.parameters,
                "images_per_s": row.images_per_second,
                "absent_labels": " ".join(row.absent),
                "marks": "".join(mark for mark in MARKS if mark in row.marks),
            }
            lines.append(line)
    return _csv(lines)


def csv_labels(report: Report) -> str:
    """Return one line a row and action unit, scores as fractions."""
    lines: list[dict[str, object]] = []
    for experiment in report.experiments:
        for row in experiment.rows:
            against, ranking = row.comparison, row.ranking
            totals = row.counts.sum((0, 1))
            for index, label in enumerate(row.labels):
                counted = dict(zip(("tp", "fp", "fn", "tn"), map(int, totals[index]), strict=True))
                lines.append(
                    {
                        "experiment": experiment.name,
                        "row": row.name,
                        "label": label,
                        **_bounds("f1", row.estimate.labels[index]),
                        "f1_fold_mean": row.label_fold_mean[index],
                        **_bounds("difference", against.difference.labels[index] if against else None),
                        "p_holm": against.label_p[index] if against else None,
                        "accuracy": row.label_accuracy[index],
                        "roc_auc": float(ranking.roc_auc[index]) if ranking else None,
                        "average_precision": float(ranking.average_precision[index]) if ranking else None,
                        **counted,
                        "note": row.estimate.labels[index].note,
                    }
                )
    return _csv(lines)


def csv_epochs(report: Report) -> str:
    """Return one line a row and epoch, means over the runs that reached it; scores as fractions."""
    lines: list[dict[str, object]] = []
    for experiment in report.experiments:
        for row in experiment.rows:
            for epoch in row.epochs:
                line: dict[str, object] = {"experiment": experiment.name, "row": row.name, "epoch": epoch.number}
                line |= {key.replace("/", "_"): epoch.values.get(key) for key, _, _ in COLUMNS}
                lines.append(line | {"runs": epoch.runs, "chosen": epoch.chosen})
    return _csv(lines) if lines else ""


def csv_published(report: Report) -> str:
    """Return the published rows that are shown, one line each, scores as fractions; empty without any."""
    lines: list[dict[str, object]] = []
    for experiment in report.experiments:
        for row in experiment.published:
            line: dict[str, object] = {"experiment": experiment.name, "row": row.method, "corpus": row.corpus}
            line |= {"label_set": row.label_set, "protocol": row.protocol, "part": row.part}
            line["comparable"] = not unlike(row, experiment)
            for key in METRICS:
                value = row.metrics.get(key)
                percent = not key.startswith("landmark")
                line[key] = value and float(Decimal(value) / 100 if percent else Decimal(value))
            for label in experiment.labels:
                line[label] = row.labels.get(label) and float(Decimal(row.labels[label]) / 100)
            warnings = [*row.warnings, *([row.discrepancy] if row.discrepancy else [])]
            line |= {"paper": row.paper, "read_in": row.read_in, "warnings": "; ".join(warnings)}
            lines.append(line)
    return _csv(lines) if lines else ""


def csv_affect(report: Report) -> str:
    """Return one line a row of valence and arousal; empty without any."""
    lines: list[dict[str, object]] = []
    for experiment in report.affect:
        for row in experiment.rows:
            line: dict[str, object] = {"experiment": experiment.name, "row": row.name}
            line |= {**_bounds("ccc_mean", row.ccc.macro), "ccc_mean_fold_mean": row.fold_mean}
            line |= _bounds("difference", row.difference.macro if row.difference else None)
            line |= {"p_holm": row.p, "groups_compared": row.compared or None, **_bounds("rmse_mean", row.rmse.macro)}
            for index, label in enumerate(row.labels):
                line |= _bounds(f"ccc_{label}", row.ccc.labels[index]) | _bounds(
                    f"rmse_{label}", row.rmse.labels[index]
                )
                line |= {f"pearson_{label}": row.pearson[index], f"sagr_{label}": row.sagr[index]}
            lines.append(line | {"groups": len(row.groups), "folds": row.folds, "seeds": len(row.seeds)})
    return _csv(lines) if lines else ""


def csv_multitask(report: Report) -> str:
    """Return one line a row of several tasks; empty without any."""
    lines: list[dict[str, object]] = []
    for experiment in report.multitask:
        for row in experiment.rows:
            line: dict[str, object] = {"experiment": experiment.name, "row": row.name, **_bounds("score", row.score)}
            line |= {"score_fold_mean": row.fold_mean, **_bounds("difference", row.difference), "p_holm": row.p}
            line |= {part.task: value for part, value in zip(row.parts, row.tasks, strict=True)}
            extent = {"groups": len(row.pooled.groups), "folds": row.pooled.folds, "seeds": len(row.pooled.seeds)}
            lines.append(line | extent)
    return _csv(lines) if lines else ""


def _bounds(name: str, interval: Interval | None) -> dict[str, object]:
    if interval is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _csv(lines: list[dict[str, object]]) -> str:
    stream = io.StringIO()
    columns = list(dict.fromkeys(key for line in lines for key in line))
    writer = csv.DictWriter(stream, fieldnames=columns, restval="", lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({key: "" if value is None or _is_nan(value) else value for key, value in line.items()})
    return stream.getvalue()


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
