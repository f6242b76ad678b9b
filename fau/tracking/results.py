"""What a tested fold adds to its W&B run: charts of its labels, some faces, the model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fau.data.datamodule import FaceDataModule
from fau.explain.choose import Scored
from fau.modules.base import FaceModule
from fau.tracking.charts import charts
from fau.tracking.client import wandb
from fau.tracking.faces import captioned_faces
from fau.tracking.run import going_on
from fau.tracking.settings import Tracking

_FACES = 8
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
