"""Ensembles of finished runs: the mean of their scores, weighted or not, as runs of their own.

Text 001 (Galagain, 2023) averages ten networks and weighs each network's vote for a class by its accuracy on that
class. Everything comes from the members' ``predictions.npz``; nothing is trained or predicted, and torch is not needed.
The result is a run directory like any other, so reports show it as a row and test it against its members.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fau.errors import FauError
from fau.metrics import au_metrics, expression_metrics, group_counts
from fau.runs import RunDirectory, code_version, run_id

Array = NDArray[np.float64]

RULES = {
    "uniform": "every member alike",
    "validation": "each member by its accuracy on the validation subjects",
    "class": "each member's score of a class by its accuracy on that class on the validation subjects",
    "class-training": "the same on the training subjects, as in text 001; says little where they are known by heart",
}
# Text 001's names of its two ensembles, a plain mean and a vote weighted class by class, and such names for the others.
NAMES = {
    "uniform": "avg_all",
    "validation": "by_accuracy",
    "class": "all_models",
    "class-training": "all_models_training",
}
BOTH = ("uniform", "class")  # the text's
_TASKS = ("au", "expression")
_PARTS = ("val", "training", "test", "holdout")


@dataclass(frozen=True)
class Member:
    """A run of an ensemble.

    Attributes:
        run: Its directory.
        record: ``run.json``.
        arrays: ``predictions.npz``.
    """

    run: RunDirectory
    record: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @property
    def place(self) -> tuple[int, int]:
        """Fold and seed."""
        return int(self.record["fold"]), int(self.record.get("seed") or 0)

    @property
    def task(self) -> str:
        """First part of the names of its arrays."""
        return str(self.record.get("task", "au"))

    def part(self, part: str, name: str) -> NDArray[Any]:
        """Return an array of a part, such as the scores of the test fold."""
        return self.arrays[f"{part}/{self.task}/{name}"]

    def has(self, part: str) -> bool:
        """Whether scores of a part were kept."""
        return f"{part}/{self.task}/score" in self.arrays


def members(runs: Sequence[RunDirectory]) -> dict[tuple[int, int], list[Member]]:
    """Read the runs of ensembles, which are left out themselves, and put them together by fold and seed.

    Raises:
        FauError: If runs do not belong together, or a fold has fewer than two.
    """
    found: dict[tuple[int, int], list[Member]] = {}
    for run in runs:
        status = run.status
        record = run.read() if status != "new" else {}
        if "members" in record:
            continue
        if status != "done":
            raise FauError(f"run '{run.path}' is not finished ({status}); finish it, or name the runs without it")
        member = Member(run, record, run.arrays("predictions.npz"))
        if member.task not in _TASKS or not member.has("test"):
            raise FauError(f"run '{run.path}' has no scores of action units or of expressions; leave it out")
        found.setdefault(member.place, []).append(member)
    for place, group in sorted(found.items()):
        group.sort(key=lambda member: str(member.record["name"]))  # the order of sums, and so their last digit
        _check(place, group)
    if not found:
        raise FauError("no finished run is named; name two or more runs of each fold, or the folder that they are in")
    names = {place: {member.record["name"] for member in group} for place, group in found.items()}
    everywhere = set.union(*names.values())
    for (fold, seed), own in sorted(names.items()):
        if lacking := sorted(everywhere - own):
            raise FauError(
                f"fold {fold}, seed {seed} has no run of {', '.join(lacking)}, which other folds have; "
                "an ensemble has the same members in every fold: train it, or name the runs without it"
            )
    return dict(sorted(found.items()))


def _check(place: tuple[int, int], group: list[Member]) -> None:
    """Check that members scored the same labels of the same samples of the same fold.

    Raises:
        FauError: If they did not, or there is only one.
    """
    fold, seed = place
    if len(group) < 2:
        raise FauError(
            f"fold {fold}, seed {seed} has one run, '{group[0].run.path}'; an ensemble needs two or more of each fold"
        )
    first = group[0]
    for other in group[1:]:
        pair = f"'{first.run.path}' and '{other.run.path}'"
        for what, key in (("crop sets", "crop_set"), ("protocols", "protocol"), ("numbers of folds", "folds")):
            values = [member.record.get(key) for member in (first, other)]
            shown = [value.get("id") if isinstance(value, dict) else value for value in values]
            if shown[0] != shown[1]:
                raise FauError(f"{pair} have other {what}, {shown[0]} and {shown[1]}; combine runs of one")
        if first.record["labels"] != other.record["labels"] or first.task != other.task:
            raise FauError(f"{pair} have other labels; combine runs of the same label set")
        for part in _PARTS:
            if not (first.has(part) and other.has(part)):
                continue
            same = all(
                np.array_equal(first.arrays[f"{part}/{name}"], other.arrays[f"{part}/{name}"])
                for name in ("index", f"{first.task}/label", f"{first.task}/mask")
            )
            if not same and part in ("test", "holdout"):
                raise FauError(f"{pair} were tested on other samples or labels; combine runs of the same data")
    names = [str(member.record["name"]) for member in group]
    for name in names:
        if names.count(name) > 1:
            raise FauError(
                f"fold {fold}, seed {seed} has {names.count(name)} runs named '{name}'; "
                "name the directories of those to combine"
            )


def vote_weights(group: Sequence[Member], rule: str) -> Array:
    """Return how much each member's score of each label counts.

    Args:
        group: The members of a fold.
        rule: A key of ``RULES``.

    Returns:
        (M, L), each label's summing to 1. An accuracy is the share of right frames of that class, for expressions, and
        of right calls of that label, for action units; a label that no frame shows weighs by the mean of the others.

    Raises:
        FauError: If a member lacks the scores that the rule needs.
    """
    labels = len(group[0].record["labels"])
    if rule == "uniform":
        return np.full((len(group), labels), 1 / len(group))
    part = "training" if rule == "class-training" else "val"
    weights = np.empty((len(group), labels))
    for row, member in zip(weights, group, strict=True):
        if not member.has(part):
            way_out = "--score_training true" if part == "training" else "a validation part (data.validation)"
            raise FauError(
                f"run '{member.run.path}' has no scores of its {'training' if part == 'training' else 'validation'} "
                f"subjects, by which '{rule}' weighs; train it with {way_out}, or choose uniform"
            )
        row[:] = _accuracy(member, part)
    if rule == "validation":
        weights = np.repeat(weights.mean(axis=1, keepdims=True), labels, axis=1)
    total = weights.sum(axis=0)
    even = np.full_like(weights, 1 / len(group))
    shares: Array = np.divide(weights, total, out=even, where=total > 0)  # a class that no member ever gets: all alike
    return shares


def _accuracy(member: Member, part: str) -> Array:
    """Return a member's accuracy on each label of a part."""
    score, label, mask = (member.part(part, name) for name in ("score", "label", "mask"))
    if member.task == "expression":
        metrics = expression_metrics(score, label, mask, member.record["labels"])
        values = [metrics.get(f"recall/{name}", np.nan) for name in member.record["labels"]]
    else:
        metrics = au_metrics(score, label, mask, member.record["labels"], _threshold(member))
        values = [metrics.get(f"accuracy/{name}", np.nan) for name in member.record["labels"]]
    found = np.array(values, np.float64)
    if np.isnan(found).all():
        raise FauError(f"run '{member.run.path}' has no coded label on its subjects to weigh by; choose uniform")
    return np.where(np.isnan(found), np.nanmean(found), found)


def _threshold(member: Member) -> float | None:
    value = member.record.get("threshold")
    return None if value is None else float(value)


def combine(group: Sequence[Member], weights: Array, part: str) -> NDArray[np.float32]:
    """Return the weighted mean of the members' scores of a part, (N, L) in [0, 1]; of expressions they sum to 1."""
    total = sum(member.part(part, "score").astype(np.float64) * row for member, row in zip(group, weights, strict=True))
    scores = np.asarray(total)
    if group[0].task == "expression":
        scores = scores / scores.sum(axis=1, keepdims=True)
    return scores.astype(np.float32)


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
    for rule in rules:
        for group in folds.values():
            vote_weights(group, rule)
            _check_name(group, name or NAMES[rule])
    place = experiment or first.run.path.parent
    return [write_ensemble(group, rule, name or NAMES[rule], place) for rule in rules for group in folds.values()]


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
    first = group[0]
    weights = vote_weights(group, rule)
    parts = [part for part in ("val", "test", "holdout") if all(member.has(part) for member in group)]
    if any(not np.array_equal(first.arrays["val/index"], m.arrays["val/index"]) for m in group if "val" in parts):
        parts.remove("val")  # members with other validation subjects have no common scores of them
    arrays = {key: value for key, value in first.arrays.items() if key.split("/")[0] in ("labels", *parts)}
    metrics: dict[str, float] = {}
    for part in parts:
        score = combine(group, weights, part)
        arrays[f"{part}/{first.task}/score"] = score
        metrics |= {f"{part}/{key}": value for key, value in _metrics(first, part, score).items() if np.isfinite(value)}
    label, mask = first.part("test", "label"), first.part("test", "mask")
    score = arrays[f"test/{first.task}/score"]
    counts = group_counts(score, label, mask, first.arrays["test/group"], _threshold(first))
    names, ids = ([str(member.record[key]) for member in group] for key in ("name", "run_id"))
    # What belongs to the fold apart from what makes the row, so that a report sees one configuration.
    deciding = {"ensemble": rule, "members": names, "name": name, "fold": {"number": first.place, "runs": ids}}
    versions = {str(member.record.get("code_version")) for member in group}
    run = RunDirectory(experiment / run_id(deciding))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    kept = ("fold", "seed", "folds", "crop_set", "label_set", "labels", "protocol", "validation", "selection", "task")
    record = {key: first.record.get(key) for key in (*kept, "threshold", "published", "groups", "sizes")} | {
        "experiment": experiment.name,
        "name": name,
        "run_id": run_id(deciding),
        "deciding": deciding,
        "config": {},
        "members": names,
        "ensemble": {"rule": rule, "weights": weights.tolist()},
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
        run.write_arrays("counts.npz", counts | {"labels": np.array(first.record["labels"], np.str_)})
        run.write(record)
    return run


def _metrics(member: Member, part: str, score: NDArray[np.float32]) -> dict[str, float]:
    label, mask, labels = member.part(part, "label"), member.part(part, "mask"), member.record["labels"]
    if member.task == "expression":
        return expression_metrics(score, label, mask, labels)
    return au_metrics(score, label, mask, labels, _threshold(member))


def _sum(numbers: Any) -> int | None:
    known = list(numbers)
    return None if None in known else sum(known)
