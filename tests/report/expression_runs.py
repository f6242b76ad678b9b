"""Expression runs as training leaves them: one class a frame, scores that know it more or less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from fake_runs import finished_record
from numpy.typing import NDArray
from scipy.special import softmax

from fau.metrics import group_counts
from fau.runs import RunDirectory

CLASSES = ("neutral", "anger", "happiness", "surprise")


def write_expression_run(
    root: Path,
    name: str,
    fold: int = 1,
    *,
    experiment: str = "text001",
    folds: int = 2,
    seed: int = 0,
    skill: float | tuple[float, ...] = 1.0,
    subjects: int = 6,
    frames: int = 30,
    classes: tuple[str, ...] = CLASSES,
    training: bool = False,
    validation: bool = True,
    holdout: bool = False,
    **record: Any,
) -> RunDirectory:
    """Write one run; ``skill`` may differ by class, further keywords replace keys of ``run.json``."""
    run = RunDirectory(root / experiment / f"{name}-s{seed}-f{fold}")
    noise = np.random.default_rng([seed, fold, sum(name.encode())])
    level = np.broadcast_to(np.asarray(skill, np.float64), len(classes))

    def part(first: int, subjects: int, drawn: int) -> tuple[NDArray[Any], ...]:
        rows = subjects * frames
        truth = np.random.default_rng([7, drawn, first]).integers(len(classes), size=rows)
        label = np.eye(len(classes), dtype=np.int8)[truth]
        logits = noise.normal(size=label.shape) + 2.0 * label * level
        mask = np.repeat(np.random.default_rng([8, drawn, first]).random((rows, 1)) < 0.95, len(classes), axis=1)
        group = np.repeat([f"S{first + index:03d}" for index in range(subjects)], frames)
        return softmax(logits, axis=1).astype(np.float32), label * mask, mask, group, np.arange(rows) + 1000 * first

    arrays: dict[str, NDArray[Any]] = {"labels/expression": np.array(classes)}
    names = [
        "test",
        *(["holdout"] if holdout else []),
        *(["val"] if validation else []),
        *(["training"] if training else []),
    ]
    for stage, first in (("test", 10 * fold), ("val", 40), ("training", 60), ("holdout", 80)):
        score, label, mask, group, index = part(first, subjects, 0 if stage == "holdout" else fold)
        if stage in names:
            arrays |= {f"{stage}/expression/score": score, f"{stage}/expression/label": label.astype(np.int8)}
            arrays |= {f"{stage}/expression/mask": mask, f"{stage}/index": index}
        if stage in names and stage in ("test", "holdout"):
            arrays[f"{stage}/group"] = group
        if stage == "test":
            counts = group_counts(score, label, mask, group, None)
    run.path.mkdir(parents=True)
    content = finished_record(run, name, fold, folds, seed, classes) | {
        "task": "expression",
        "label_set": "some",
        "threshold": None,
    }
    run.write(content | record)
    run.write_arrays("counts.npz", counts | {"labels": np.array(classes)})
    run.write_arrays("predictions.npz", arrays)
    return run
