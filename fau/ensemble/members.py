"""The members of ensembles: finished runs that scored the same labels of the same samples, by fold and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fau.errors import FauError
from fau.runs import RunDirectory

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
        """First part of the names of its arrays; of several tasks, with plus signs between."""
        return str(self.record.get("task", "au"))

    @property
    def tasks(self) -> list[Member]:
        """The run as one of each of its tasks alone; only of these are there ``part`` and votes."""
        names = self.task.split("+")
        if len(names) == 1:
            return [self]
        return [
            replace(
                self,
                record=self.record
                | {"task": task, "labels": self.arrays[f"labels/{task}"].tolist()}
                | ({} if task == "au" else {"threshold": None}),
            )
            for task in names
        ]

    def part(self, part: str, name: str) -> NDArray[Any]:
        """Return an array of a part, such as the scores of the test fold."""
        return self.arrays[f"{part}/{self.task}/{name}"]

    def has(self, part: str) -> bool:
        """Whether scores of a part were kept, of all its tasks."""
        return all(f"{part}/{task}/score" in self.arrays for task in self.task.split("+"))


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
        if not member.has("test"):
            raise FauError(f"run '{run.path}' has kept no scores of its test fold; leave it out, or train it again")
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
        alike = (("crop sets", "crop_set"), ("protocols", "protocol"), ("numbers of folds", "folds"))
        for what, key in (*alike, ("thresholds", "threshold")):
            values = [member.record.get(key) for member in (first, other)]
            shown = [value.get("id") if isinstance(value, dict) else value for value in values]
            if shown[0] != shown[1]:
                raise FauError(f"{pair} have other {what}, {shown[0]} and {shown[1]}; combine runs of one")
        if first.record["labels"] != other.record["labels"] or first.task != other.task:
            raise FauError(f"{pair} have other labels; combine runs of the same label set")
        for part in _PARTS:
            if not (first.has(part) and other.has(part)):
                continue
            names = ["index", *(f"{task}/{name}" for task in first.task.split("+") for name in ("label", "mask"))]
            same = all(np.array_equal(first.arrays[f"{part}/{name}"], other.arrays[f"{part}/{name}"]) for name in names)
            if not same and part in ("test", "holdout"):
                raise FauError(f"{pair} were tested on other samples or labels; combine runs of the same data")
    names = [str(member.record["name"]) for member in group]
    for name in names:
        if names.count(name) > 1:
            raise FauError(
                f"fold {fold}, seed {seed} has {names.count(name)} runs named '{name}'; "
                "name the directories of those to combine"
            )
