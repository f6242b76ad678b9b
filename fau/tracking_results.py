"""What a tested fold adds to its W&B run: charts of its labels, some faces, the model.

Charts are W&B's own presets, those of ``wandb.plot``, over tables that are counted here: its functions want every
sample, and for a precision-recall curve pandas and scikit-learn. So a chart has as many rows whatever was tested.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import wandb
from numpy.typing import NDArray

from fau.data.datamodule import FaceDataModule
from fau.explain.choose import Scored
from fau.modules.base import FaceModule
from fau.ranking import RECALL_GRID, rank
from fau.tracking import Tracking, going_on
from fau.tracking_faces import captioned_faces

_FACES = 8
_RECALLS = slice(None, None, 2)  # of the recalls at which precision is known, those of a chart: 51 points a label
_DRAWN = "synthetic"  # the corpus that shows nobody


def log_test(
    module: FaceModule, data: FaceDataModule, run_dir: Path, record: Mapping[str, Any], wish: Tracking
) -> None:
    """Log what a test fold came to, where this process has a W&B run. What fails is said, and stops nothing.

    Args:
        module: The module with the tested weights, which keeps the scores of the test fold.
        data: The data that it was tested on.
        run_dir: The run directory.
        record: The finished record.
        wish: What is asked for.
    """
    run = wandb.run
    if run is None:
        return
    with _staged_in(run_dir / "wandb"):
        tasks: dict[str, Scored] = {}
        with going_on("the charts"):
            tasks = scored_tasks(module, data)
            made = {name: chart for task, scored in tasks.items() for name, chart in charts(task, scored).items()}
            if made:
                run.log(made)
        if tasks and sends_pictures(wish, data.cropset.info.corpus):
            with going_on("pictures"):
                faces = captioned_faces(module, data, tasks, _FACES)
                run.log({"faces": [wandb.Image(picture, caption=said, file_type="jpg") for picture, said in faces]})
        if wish.model:
            with going_on("the model"):
                _log_model(run_dir, record)


def sends_pictures(wish: Tracking, corpus: str) -> bool:
    """Tell whether faces of a corpus may be sent."""
    return wish.pictures == "all" or (wish.pictures == "drawn" and corpus == _DRAWN)


def scored_tasks(module: FaceModule, data: FaceDataModule) -> dict[str, Scored]:
    """Return the scores of the test fold by task; of valence and arousal, which have no labels, none."""
    arrays = module.evaluated["test"]
    groups = data.groups[arrays["index"]].astype(np.str_)
    tasks = {}
    for task, labels in module.task_labels.items():
        if task == "va" or f"{task}/score" not in arrays:
            continue
        score, label, mask = (arrays[f"{task}/{part}"] for part in ("score", "label", "mask"))
        coded = np.broadcast_to(mask, score.shape)
        threshold = (0.5 if module.threshold is None else module.threshold) if task == "au" else None
        tasks[task] = Scored(list(labels), score, (label == 1) & coded, coded, threshold, groups)
    return tasks


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


def _log_model(run_dir: Path, record: Mapping[str, Any]) -> None:
    checkpoint = run_dir / "checkpoints" / ("last.ckpt" if record["selection"] == "last" else "best.ckpt")
    artifact = wandb.Artifact(
        f"model-{record['run_id']}",
        type="model",
        description=f"{record['name']}, fold {record['fold']}, of {record['experiment']}",
        metadata={key: record[key] for key in ("run_id", "labels", "label_set", "best_epoch", "metrics", "parameters")},
    )
    # In place: the run directory keeps the file, a copy would wait for its upload in the user's home.
    for file, name in ((checkpoint, "model.ckpt"), (run_dir / "config.yaml", "config.yaml")):
        artifact.add_file(str(file.absolute()), name=name, policy="immutable", skip_cache=True)
    if wandb.run is not None:
        wandb.run.log_artifact(artifact, aliases=["latest", checkpoint.stem])


@contextmanager
def _staged_in(folder: Path) -> Iterator[None]:
    """Let the client keep what waits for its upload in a folder, so that a run directory has all of its W&B run.

    Else it lies in the home of who trained, which the machine that sends an offline run need not see.
    """
    if "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = str(folder.absolute())
    try:
        yield
    finally:
        del os.environ["WANDB_DATA_DIR"]
