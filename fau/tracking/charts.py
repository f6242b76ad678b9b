"""Charts of a test fold's labels: W&B's own presets, those of ``wandb.plot``, over tables that are counted here.

Its functions want every sample, and for a precision-recall curve pandas and scikit-learn. So a chart has as many rows
whatever was tested.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fau.explain.choose import Scored
from fau.metrics.ranking import RECALL_GRID, rank
from fau.tracking.client import wandb

_RECALLS = slice(None, None, 2)  # of the recalls at which precision is known, those of a chart: 51 points a label


def charts(task: str, scored: Scored) -> dict[str, Any]:
    """Return the charts of a task, by the key to log them under.

    Args:
        task: Such as ``au``.
        scored: Its scores.
    """
    ranking = rank(scored.score, scored.present.astype(np.int8), scored.coded)
    cells = _cells(scored)
    curves = [
        [label, round(float(precision), 4), round(float(recall), 2)]
        for label, curve in zip(scored.labels, ranking.precision, strict=True)
        for recall, precision in zip(RECALL_GRID[_RECALLS], curve[_RECALLS], strict=True)
        if np.isfinite(precision)
    ]
    rows = []
    for i, label in enumerate(scored.labels):
        tp, fp, fn, tn = (int(count[i]) for count in cells)
        scores = (_share(2 * tp, 2 * tp + fp + fn) if tp + fn else None, _share(tp, tp + fp), _share(tp, tp + fn))
        areas = (float(ranking.roc_auc[i]), float(ranking.average_precision[i]))
        rows.append([label, *scores, *(value if np.isfinite(value) else None for value in areas), tp, fp, fn, tn])
    columns: list[str | int] = ["label", "F1", "precision", "recall", "ROC-AUC", "AP", "TP", "FP", "FN", "TN"]
    confusion = _label_confusion(scored.labels, cells) if scored.threshold is not None else _class_confusion(scored)
    title = "Frames of each class, and what they are called"
    if scored.threshold is not None:
        title = "Of the frames with and without each label, how many % are called present"
    made: dict[str, Any] = {
        f"charts/{task}_labels": wandb.Table(columns=columns, data=rows),
        f"charts/{task}_confusion": wandb.plot_table(
            "wandb/confusion_matrix/v1",
            wandb.Table(columns=["Actual", "Predicted", "nPredictions"], data=confusion),
            {name: name for name in ("Actual", "Predicted", "nPredictions")},
            {"title": title},
        ),
    }
    if curves:
        made[f"charts/{task}_precision_recall"] = wandb.plot_table(
            "wandb/area-under-curve/v0",
            wandb.Table(columns=["class", "precision", "recall"], data=curves),
            {"x": "recall", "y": "precision", "class": "class"},
            {"title": "Precision at each recall", "x-axis-title": "Recall", "y-axis-title": "Precision"},
        )
    return made


def _cells(scored: Scored) -> tuple[NDArray[np.int64], ...]:
    """Return TP, FP, FN and TN of each label, (L,) each."""
    said, present, coded = scored.said, scored.present, scored.coded
    cells = (said & present, said & ~present, ~said & present, ~said & ~present)
    return tuple((cell & coded).sum(axis=0) for cell in cells)


def _label_confusion(labels: list[str], cells: tuple[NDArray[np.int64], ...]) -> list[list[Any]]:
    """Return a 2 x 2 matrix a label, in percent of its frames with the label and of those without."""
    rows: list[list[Any]] = []
    for label, tp, fp, fn, tn in zip(labels, *(cell.tolist() for cell in cells), strict=True):
        for actual, called, not_called in ((f"{label} present", tp, fn), (f"{label} absent", fp, tn)):
            if called + not_called:
                share = round(100 * called / (called + not_called), 1)
                rows += [[actual, "present", share], [actual, "absent", round(100 - share, 1)]]
    return rows


def _class_confusion(scored: Scored) -> list[list[Any]]:
    """Return how many frames of each class are called each class."""
    coded = scored.coded.any(axis=1)
    counts = scored.present[coded].T.astype(np.int64) @ scored.said[coded].astype(np.int64)
    return [
        [actual, called, int(counts[i, j])]
        for i, actual in enumerate(scored.labels)
        for j, called in enumerate(scored.labels)
    ]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
