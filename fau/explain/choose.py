"""Which faces to show: the surest, the least sure and the wrong ones of each label, of different subjects first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

import numpy as np
from numpy.typing import NDArray

KINDS: Final = ("surest", "unsure", "wrong")


@dataclass(frozen=True)
class Scored:
    """Scores and labels of n faces; L labels.

    Attributes:
        labels: Printed names.
        score: float (n, L), 0..1.
        present: bool (n, L).
        coded: bool (n, L).
        threshold: Least score that counts as present; None where the highest of a face does.
        groups: (n,) subjects.
    """

    labels: list[str]
    score: NDArray[np.float32]
    present: NDArray[np.bool_]
    coded: NDArray[np.bool_]
    threshold: float | None
    groups: NDArray[np.str_]

    @property
    def said(self) -> NDArray[np.bool_]:
        """What the network says is present, bool (n, L)."""
        if self.threshold is not None:
            return self.score >= self.threshold
        return np.asarray(np.arange(len(self.labels)) == self.score.argmax(axis=1)[:, None])

    def margin(self, label: int) -> NDArray[np.float64]:
        """Return how far each face is from being decided otherwise, (n,), 0..1."""
        if self.threshold is not None:
            return np.asarray(np.abs(self.score[:, label].astype(float) - self.threshold))
        rest = np.delete(self.score, label, axis=1).max(axis=1, initial=0)
        return np.asarray(np.abs(self.score[:, label].astype(float) - rest))

    def pick(self, kind: str, label: int, number: int) -> list[int]:
        """Return faces of a label.

        ``surest``: present and found, or present where none is found, or any where nobody coded the label; the highest
        score first. ``unsure``: coded, the least margin first; of classes, those that show the class. ``wrong``: by
        turns missed, the lowest score first, and called though absent, the highest first; of classes, those that show
        the class and were taken for another, the surest of it first.
        """
        score, present = self.score[:, label].astype(float), self.present[:, label] & self.coded[:, label]
        said = self.said[:, label]
        if kind == "surest":
            able = present if self.coded[:, label].any() else np.ones_like(present)
            found = able & said
            return self._deal(np.flatnonzero(found if found.any() else able), -score, number)
        if kind == "unsure":
            candidates = self.coded[:, label] if self.threshold is not None else present
            return self._deal(np.flatnonzero(candidates), self.margin(label), number)
        missed = np.flatnonzero(present & ~said)
        if self.threshold is None:
            return self._deal(missed, -self.score.max(axis=1).astype(float), number)
        called = np.flatnonzero(self.coded[:, label] & ~self.present[:, label] & said)
        by_turns = zip_longest(self._deal(missed, score, number), self._deal(called, -score, number))
        return [row for pair in by_turns for row in pair if row is not None][:number]

    def _deal(self, rows: NDArray[np.int64], order: NDArray[np.float64], number: int) -> list[int]:
        """Return the first by some order: one of each subject, then a second one, and so on."""
        return _by_turns(rows[np.argsort(order[rows], kind="stable")], self.groups)[:number]


def _by_turns(ranked: NDArray[np.int64], groups: NDArray[np.str_]) -> list[int]:
    """Return ranked rows so that each subject's first come before each subject's second."""
    turns: Counter[str] = Counter()
    keys = []
    for place, row in enumerate(ranked.tolist()):
        turns[str(groups[row])] += 1
        keys.append((turns[str(groups[row])], place, row))
    return [row for _, _, row in sorted(keys)]


def sample(present: NDArray[np.bool_], groups: NDArray[np.str_], number: int, seed: int) -> NDArray[np.int64]:
    """Return faces on which to measure: label by label in turn one that shows it, of subjects not yet taken first.

    Args:
        present: bool (n, L), the label is shown.
        groups: (n,) subjects.
        number: How many; all that show a label where there are no more.
        seed: Of the order in which faces of a subject come.

    Returns:
        Positions, ascending.
    """
    order = np.random.default_rng(seed).permutation(len(groups))
    queues = [_by_turns(order[present[order, label]], groups)[::-1] for label in range(present.shape[1])]
    chosen: set[int] = set()
    while len(chosen) < number and any(queues):
        for queue in queues:
            while queue and queue[-1] in chosen:
                queue.pop()
            if queue and len(chosen) < number:
                chosen.add(queue.pop())
    return np.array(sorted(chosen), np.int64)
