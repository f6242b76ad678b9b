"""A finished run to look into: its record, crop set, scores and weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fau.crops.store import CropSet
from fau.errors import FauError
from fau.explain.choose import Scored
from fau.modules.base import FaceModule
from fau.nets.weight_files import listed, misfits, read_state, tested_checkpoint
from fau.runs import RunDirectory


@dataclass(frozen=True)
class Tested:
    """The test fold of a run as it was scored.

    Attributes:
        rows: (n,) rows of the crop set's manifest.
        tasks: What the run scored of them, by task; of valence and arousal nothing.
    """

    rows: NDArray[np.int64]
    tasks: dict[str, Scored]


def finished(path: Path) -> RunDirectory:
    """Return the run in a folder.

    Raises:
        FauError: If it is no run, or not done.
    """
    tested_checkpoint(path)
    return RunDirectory(path)


def load_weights(module: FaceModule, run: RunDirectory) -> str:
    """Load the weights that a run was tested with, as tensors alone, and return the checkpoint's name.

    Raises:
        FauError: If they cannot be read or do not fit.
    """
    file = tested_checkpoint(run.path)
    state, own = read_state(file), module.state_dict()
    faults = misfits(state, own)
    if faults:
        raise FauError(f"'{file}' does not fit the run's own configuration ({listed(faults, 3)}); train it again")
    module.load_state_dict(state)
    return file.name


def test_fold(run: RunDirectory, cropset: CropSet) -> Tested:
    """Return the scores and labels that a run kept of its test fold.

    Raises:
        FauError: If the crop set is another than the run's, or predictions are missing.
    """
    record = run.read()
    stored = record["crop_set"].get("id")
    if stored != cropset.id:
        raise FauError(
            f"the crop set '{cropset.path}' has id {cropset.id}, and run '{run.path}' was tested on {stored}; "
            "name the faces by --crop-set"
        )
    arrays = run.arrays("predictions.npz")
    if "test/index" not in arrays:
        raise FauError(f"run '{run.path}' kept no predictions of its test fold; name faces by --crop-set or --image")
    rows = arrays["test/index"]
    groups = cropset.manifest["group"].to_numpy().astype(str)[rows]
    tasks = {}
    for key, labels in arrays.items():
        task = key.removeprefix("labels/")
        if key.startswith("labels/") and task != "va":
            score, label, mask = (arrays[f"test/{task}/{name}"] for name in ("score", "label", "mask"))
            threshold = _threshold(record, task)
            coded = np.broadcast_to(mask, score.shape)
            tasks[task] = Scored(labels.tolist(), score, (label == 1) & coded, coded, threshold, groups)
    if not tasks and "labels/va" in arrays:
        raise FauError(
            f"run '{run.path}' trained valence and arousal, so there is no class to look for; name a run of action "
            "units, of expressions or of several tasks"
        )
    if not tasks:
        raise FauError(f"run '{run.path}' kept no scores of labels; name faces by --crop-set or --image")
    return Tested(rows, tasks)


def _threshold(record: dict[str, Any], task: str) -> float | None:
    """Return the least score that counts as present; None where the highest of a face does."""
    if task != "au":
        return None
    value = record.get("threshold")
    return 0.5 if value is None else float(value)
