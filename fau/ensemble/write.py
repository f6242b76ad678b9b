"""Ensembles as runs: written fold by fold, so that reports show them as rows like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fau.ensemble.members import Member, members
from fau.ensemble.votes import Array, combine, score_counts, score_metrics, vote_weights
from fau.errors import FauError
from fau.runs import RunDirectory, run_id
from fau.versions import code_version

# Text 001's names of its two ensembles, a plain mean and a vote weighted class by class, and such names for the others.
NAMES = {
    "uniform": "avg_all",
    "validation": "by_accuracy",
    "class": "all_models",
    "class-training": "all_models_training",
}
BOTH = ("uniform", "class")  # the text's
HEADLINES = {"au": "f1_macro", "expression": "f1_macro", "va": "ccc_mean"}  # what of a task the sum over tasks adds up


def write_ensembles(
    runs: Sequence[RunDirectory], rules: Sequence[str], name: str | None = None, experiment: Path | None = None
) -> list[RunDirectory]:
    """Write the ensembles of runs, of each fold and seed and by each rule; all of them or none.

    Args:
        runs: Members; ensembles among them are left out.
        rules: Keys of ``RULES``.
        name: Row of reports, of the one rule; ``NAMES`` has the default.
        experiment: Folder for their directories; that of the first member if None.

    Raises:
        FauError: If runs do not belong together, or a member lacks what a rule needs.
    """
    folds = members(runs)
    first = next(iter(folds.values()))[0]
    place = experiment or first.run.path.parent
    asked = [(group, rule, name or NAMES[rule]) for rule in rules for group in folds.values()]
    for group, _, row in asked:
        if row in [member.record["name"] for member in group]:
            raise FauError(f"--name '{row}' is that of a member; give the ensemble a name of its own")
    weighted = [_weights(group, rule) for group, rule, _ in asked]  # of all before any is written
    return [_write(*one, place, weights) for one, weights in zip(asked, weighted, strict=True)]


def _write(
    group: Sequence[Member], rule: str, name: str, experiment: Path, weights: Mapping[str, Array]
) -> RunDirectory:
    """Write the ensemble of a fold as a run of the row that ``name`` says."""
    names, ids = ([str(member.record[key]) for member in group] for key in ("name", "run_id"))
    # What belongs to the fold apart from what makes the row, so that a report sees one configuration.
    deciding = {"ensemble": rule, "members": names, "name": name, "fold": {"number": group[0].place, "runs": ids}}
    run = RunDirectory(experiment / run_id(deciding))
    parts = _common_parts(group)
    arrays, counts, metrics = _scored(group, parts, weights)
    record = _record(group) | {
        "experiment": experiment.name,
        "name": name,
        "run_id": run.path.name,
        "deciding": deciding,
        "members": names,
        "ensemble": {"rule": rule, "weights": {task: rows.tolist() for task, rows in weights.items()}},
        "metrics": metrics,
    }
    with run.locked():
        run.write_arrays("predictions.npz", arrays)
        run.write_arrays("counts.npz", counts)
        run.write(record)
    return run


def _common_parts(group: Sequence[Member]) -> list[str]:
    """Return the parts that all members scored, on the same samples."""
    parts = [part for part in ("val", "test", "holdout") if all(member.has(part) for member in group)]
    index = "val/index"
    if "val" in parts and any(not np.array_equal(group[0].arrays[index], m.arrays[index]) for m in group):
        parts.remove("val")  # members with other validation subjects have no common scores of them
    return parts


def _scored(
    group: Sequence[Member], parts: Sequence[str], weights: Mapping[str, Array]
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]], dict[str, float]]:
    """Return the ensemble's predictions, its counts on the test fold, and its metrics."""
    first = group[0]
    common = ("index", "group", "label", "mask")  # the rest, such as landmark errors, is a member's own
    arrays = {
        key: value
        for key, value in first.arrays.items()
        if key.split("/")[0] == "labels" or (key.split("/")[0] in parts and key.rpartition("/")[2] in common)
    }
    metrics: dict[str, float] = {}
    counts: dict[str, NDArray[Any]] = {}
    tasks = {member.task: [other.tasks[place] for other in group] for place, member in enumerate(first.tasks)}
    for task, members_of in tasks.items():
        prefix = f"{task}/" if len(tasks) > 1 else ""
        for part in parts:
            score = combine(members_of, weights[task], part)
            arrays[f"{part}/{task}/score"] = score
            found = score_metrics(members_of[0], part, score)
            metrics |= {f"{part}/{prefix}{key}": value for key, value in found.items() if np.isfinite(value)}
            if part == "test":
                counts |= {f"{prefix}{key}": value for key, value in score_counts(members_of[0], score).items()}
    if len(tasks) > 1:
        for part in parts:
            values = [metrics.get(f"{part}/{task}/{HEADLINES[task]}", np.nan) for task in tasks]
            metrics |= {f"{part}/mtl_score": float(np.sum(values))} if np.isfinite(values).all() else {}
    return arrays, counts, metrics


def _record(group: Sequence[Member]) -> dict[str, Any]:
    """Return what the record of an ensemble has of its members' records, and what a run that trained would have."""
    first = group[0].record
    kept = ("fold", "seed", "folds", "crop_set", "label_set", "labels", "protocol", "validation", "selection", "task")
    more = ("monitor", "threshold", "published", "groups", "sizes", "hardware", "threads")
    versions = {str(member.record.get("code_version")) for member in group}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {key: first.get(key) for key in (*kept, *more)} | {
        "config": {},
        "parameters": _sum(member.record.get("parameters") for member in group),
        "allow_upsample": any(member.record.get("allow_upsample") for member in group),
        "warnings": [],
        "status": "done",
        "started": now,
        "finished": now,
        "wall_s": 0.0,
        "images_per_s": None,
        "code_version": versions.pop() if len(versions) == 1 else code_version(),
        "error": None,
        "epochs": 0,
        "best_epoch": 0,
    }


def _weights(group: Sequence[Member], rule: str) -> dict[str, Array]:
    """Return the votes' weights, (M, L) each, by task."""
    tasks = [member.task for member in group[0].tasks]
    return {task: vote_weights([member.tasks[at] for member in group], rule) for at, task in enumerate(tasks)}


def _sum(numbers: Any) -> int | None:
    known = list(numbers)
    return None if None in known else sum(known)
