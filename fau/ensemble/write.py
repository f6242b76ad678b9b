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
from fau.runs import RunDirectory, code_version, run_id

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
        _check_name(group, row)
    weighted = [_weights(group, rule) for group, rule, _ in asked]  # of all before any is written
    return [_write(*one, place, weights) for one, weights in zip(asked, weighted, strict=True)]


def _check_name(group: Sequence[Member], name: str) -> None:
    if name in [member.record["name"] for member in group]:
        raise FauError(f"--name '{name}' is that of a member; give the ensemble a name of its own")


def write_ensemble(group: Sequence[Member], rule: str, name: str, experiment: Path) -> RunDirectory:
    """Write the ensemble of a fold as a run.

    Args:
        group: Its members.
        rule: A key of ``RULES``.
        name: Row of reports that it belongs to.
        experiment: Folder of the experiment, in which the run gets a directory.

    Raises:
        FauError: If a member lacks the scores that the rule needs, or the name is that of a member.
    """
    _check_name(group, name)
    return _write(group, rule, name, experiment, _weights(group, rule))


def _write(
    group: Sequence[Member], rule: str, name: str, experiment: Path, weights: Mapping[str, Array]
) -> RunDirectory:
    first = group[0]
    tasks = {member.task: [other.tasks[place] for other in group] for place, member in enumerate(first.tasks)}
    several = len(tasks) > 1
    parts = [part for part in ("val", "test", "holdout") if all(member.has(part) for member in group)]
    if any(not np.array_equal(first.arrays["val/index"], m.arrays["val/index"]) for m in group if "val" in parts):
        parts.remove("val")  # members with other validation subjects have no common scores of them
    common = ("index", "group", "label", "mask")  # the rest, such as landmark errors, is a member's own
    arrays = {
        key: value
        for key, value in first.arrays.items()
        if key.split("/")[0] == "labels" or (key.split("/")[0] in parts and key.rpartition("/")[2] in common)
    }
    metrics: dict[str, float] = {}
    counts: dict[str, NDArray[Any]] = {}
    for task, members_of in tasks.items():
        prefix = f"{task}/" if several else ""
        for part in parts:
            score = combine(members_of, weights[task], part)
            arrays[f"{part}/{task}/score"] = score
            found = score_metrics(members_of[0], part, score)
            metrics |= {f"{part}/{prefix}{key}": value for key, value in found.items() if np.isfinite(value)}
            if part == "test":
                counts |= {f"{prefix}{key}": value for key, value in score_counts(members_of[0], score).items()}
    if several:
        for part in parts:
            values = [metrics.get(f"{part}/{task}/{HEADLINES[task]}", np.nan) for task in tasks]
            metrics |= {f"{part}/mtl_score": float(np.sum(values))} if np.isfinite(values).all() else {}
    names, ids = ([str(member.record[key]) for member in group] for key in ("name", "run_id"))
    # What belongs to the fold apart from what makes the row, so that a report sees one configuration.
    deciding = {"ensemble": rule, "members": names, "name": name, "fold": {"number": first.place, "runs": ids}}
    versions = {str(member.record.get("code_version")) for member in group}
    run = RunDirectory(experiment / run_id(deciding))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    kept = ("fold", "seed", "folds", "crop_set", "label_set", "labels", "protocol", "validation", "selection", "task")
    more = ("monitor", "threshold", "published", "groups", "sizes")
    record = {key: first.record.get(key) for key in (*kept, *more)} | {
        "experiment": experiment.name,
        "name": name,
        "run_id": run_id(deciding),
        "deciding": deciding,
        "config": {},
        "members": names,
        "ensemble": {"rule": rule, "weights": {task: rows.tolist() for task, rows in weights.items()}},
        "parameters": _sum(member.record.get("parameters") for member in group),
        "allow_upsample": any(member.record.get("allow_upsample") for member in group),
        "warnings": [],
        "status": "done",
        "started": now,
        "finished": now,
        "wall_s": 0.0,
        "images_per_s": None,
        "code_version": versions.pop() if len(versions) == 1 else code_version(),
        "hardware": first.record.get("hardware"),
        "threads": first.record.get("threads"),
        "metrics": metrics,
        "error": None,
        "epochs": 0,
        "best_epoch": 0,
    }
    with run.locked():
        run.write_arrays("predictions.npz", arrays)
        run.write_arrays("counts.npz", counts)
        run.write(record)
    return run


def _weights(group: Sequence[Member], rule: str) -> dict[str, Array]:
    """Return the votes' weights, (M, L) each, by task."""
    tasks = [member.task for member in group[0].tasks]
    return {task: vote_weights([member.tasks[at] for member in group], rule) for at, task in enumerate(tasks)}


def _sum(numbers: Any) -> int | None:
    known = list(numbers)
    return None if None in known else sum(known)
