"""Folds that are listed: a published division, or a JSON file of one's own (``fau.data.protocols`` has its form)."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fau.data.fold_protocol import FoldProtocol
from fau.data.groups import GroupTable
from fau.errors import FauError


class FixedFolds(FoldProtocol):
    """A published division: the groups of each fold by name.

    Args:
        name: How tables call it.
        groups: The groups that each fold tests.
        rest: What happens to groups that are named nowhere: ``error`` or ``train``.
        validation: The groups that validate each fold; an empty list cuts them from the training groups.
        trained: Groups that are known although no fold tests them.
        fold_names: What each fold tests, by name.
    """

    def __init__(
        self,
        name: str,
        groups: list[list[str]],
        rest: str = "error",
        validation: list[list[str]] | None = None,
        trained: Iterable[str] = (),
        fold_names: list[str] | None = None,
    ) -> None:
        self.name = name
        self.folds = len(groups)
        self._rest = rest
        self._fold_of = {group: fold for fold, part in enumerate(groups, 1) for group in part}
        self._validation = validation or [[] for _ in groups]
        self._trained = frozenset(trained)
        self._fold_names = fold_names
        if len(self._fold_of) != sum(len(part) for part in groups):
            twice = sorted(g for g in self._fold_of if sum(part.count(g) for part in groups) > 1)
            raise FauError(f"protocol '{name}' names group '{twice[0]}' twice; a group is tested in one fold")
        for fold, part in enumerate(self._validation, 1):
            both = sorted(group for group in part if self._fold_of.get(group) == fold)
            if both:
                raise FauError(f"protocol '{name}' both tests and validates group '{both[0]}' in fold {fold}")
        if rest not in ("error", "train"):
            raise FauError(f"protocol '{name}' has rest '{rest}'; choose error or train")

    @classmethod
    def parse(cls, name: str, text: str, folds: int | None) -> FixedFolds:
        """Read a division from the text of its JSON file.

        Raises:
            FauError: If the text is no such division, or has another number of folds than ``folds``.
        """
        try:
            content = json.loads(text)
            parts = {str(key): [str(group) for group in part] for key, part in content.get("parts", {}).items()}
            entries = [fold if isinstance(fold, dict) else {"test": fold} for fold in content["folds"]]
            tested = [_expand(entry["test"], parts) for entry in entries]
            validation = [_expand(entry.get("validation", []), parts) for entry in entries]
            names = ["+".join(map(str, e["test"])) if parts.keys() >= set(e["test"]) else "" for e in entries]
            rest = str(content.get("rest", "error"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FauError(
                f"protocol '{name}' is not valid: it needs a JSON object with 'folds', lists of groups"
            ) from error
        if not tested:
            raise FauError(f"protocol '{name}' is not valid: its list 'folds' is empty")
        if folds is not None and folds != len(tested):
            raise FauError(f"protocol '{name}' has {len(tested)} folds, not {folds}; leave the number of folds out")
        counts = Counter(group for part in parts.values() for group in part)
        twice = sorted(group for group, count in counts.items() if count > 1)
        if twice:
            raise FauError(f"protocol '{name}' has group '{twice[0]}' in two parts; a group is in one")
        return cls(name, tested, rest, validation, counts, names)

    def assign(self, table: GroupTable) -> NDArray[np.int64]:
        """Look every group up; groups that the crop set lacks are passed over."""
        if self._rest == "error":
            known = self._known()
            strangers = [group for group in table.names if group not in known]
            if strangers:
                more = f", nor for {len(strangers) - 1} more of its {len(table.names)}" if len(strangers) > 1 else ""
                raise FauError(
                    f"protocol '{self.name}' has no fold for group '{strangers[0]}' of the crop set{more}; take "
                    "another protocol, such as kfold"
                )
        fold = np.array([self._fold_of.get(group, 0) for group in table.names], dtype=np.int64)
        for k in range(1, self.folds + 1):
            if not (fold == k).any():
                raise FauError(f"none of the groups of fold {k} of protocol '{self.name}' is in the crop set")
        return fold

    def validation_groups(self, table: GroupTable, fold: int) -> NDArray[np.int64] | None:
        """Return the fold's own validation groups, where it has some."""
        wanted = set(self._validation[fold - 1])
        if not wanted:
            return None
        positions = np.flatnonzero([group in wanted for group in table.names])
        if not len(positions):
            raise FauError(f"no validation group of fold {fold} of protocol '{self.name}' is in the crop set")
        return positions

    def fold_name(self, fold: int) -> str:
        """Return the names of the parts that ``fold`` tests."""
        return (self._fold_names[fold - 1] if self._fold_names else "") or str(fold)

    def notes(self, table: GroupTable) -> list[str]:
        """Name the groups of the division that the crop set lacks."""
        known = self._known()
        missing = sorted(known.difference(table.names))
        if not missing:
            return []
        some = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        return [f"the crop set lacks {len(missing)} of the {len(known)} groups of protocol '{self.name}': {some}"]

    def describe(self) -> dict[str, Any]:
        """Return name, number of folds and a hash of the division."""
        decides: list[Any] = [self._fold_of, self._rest]
        if any(self._validation):
            decides.append([sorted(part) for part in self._validation])
        content = json.dumps(decides, sort_keys=True)
        return super().describe() | {"groups": hashlib.sha256(content.encode()).hexdigest()[:16]}

    def _known(self) -> frozenset[str]:
        """Return every group that the division names."""
        return self._trained.union(self._fold_of, *self._validation)


def _expand(items: list[str], parts: dict[str, list[str]]) -> list[str]:
    """Replace names of parts by their groups."""
    if not isinstance(items, list):
        raise TypeError("a fold is a list")
    return [group for item in items for group in parts.get(str(item), [str(item)])]
