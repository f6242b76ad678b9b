"""Scores of faces that no run has kept any of."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from fau.data.targets import read_targets
from fau.errors import FauError
from fau.explain.choose import Scored
from fau.explain.faces import Faces, Pool, batches
from fau.explain.maps import looking
from fau.labels import label_tasks, output_labels
from fau.modules.base import FaceModule

_READ = 256  # faces in memory at once


def columns(label_set: str) -> dict[str, list[int]]:
    """Return the positions of each task's labels among a network's outputs."""
    found, start = {}, 0
    for task, name in label_tasks(label_set).items():
        count = len(output_labels(name))
        found[task] = list(range(start, start + count))
        start += count
    return found


def scores(module: FaceModule, faces: Faces, label_set: str) -> NDArray[np.float32]:
    """Return the scores of some faces, float32 (n, L): probabilities; of classes, over the classes; else NaN."""
    tasks = columns(label_set)
    made = []
    with looking(module), torch.no_grad():
        for image, more in batches(module, faces):
            output = module.net(image, *more)
            score = output.scores.float()
            if "expression" in tasks:
                score[:, tasks["expression"]] = output.logits[:, tasks["expression"]].float().softmax(1)
            score[:, tasks.get("va", [])] = torch.nan
            made.append(score.cpu())
    return np.asarray(torch.cat(made).numpy(), np.float32)


def score_pool(module: FaceModule, pool: Pool, label_set: str) -> dict[str, Scored]:
    """Score the faces of a pool, and put beside that what its crop set codes of the labels, where it codes them."""
    starts = range(0, len(pool.rows), _READ)
    parts = [range(start, min(start + _READ, len(pool.rows))) for start in starts]
    score = np.concatenate([scores(module, pool.take(part), label_set) for part in parts])
    groups = pool.cropset.manifest["group"].to_numpy().astype(str)[pool.rows]
    try:
        targets = read_targets(pool.cropset, label_set)
        present, coded = targets.present[pool.rows] == 1, targets.coded[pool.rows]
    except FauError:  # of another corpus: scores are shown, and nothing is said of right and wrong
        present = coded = np.zeros(score.shape, bool)
    names = output_labels(label_set)
    tasks = {}
    for task, own in columns(label_set).items():
        if task != "va":
            threshold = (0.5 if module.threshold is None else module.threshold) if task == "au" else None
            known = coded[:, own]
            of_task = [names[i] for i in own]
            tasks[task] = Scored(of_task, score[:, own], present[:, own] & known, known, threshold, groups)
    return tasks
