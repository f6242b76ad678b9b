"""What training sees of its part, epoch for epoch, and the counts and weights that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fau.data.sampling import EpochDraw, RotatingDraw, Undersampling, undersample_classes, undersample_labels
from fau.data.targets import Targets
from fau.data.weights import Weights, balanced_weights, effective_weights, inverse_weights
from fau.errors import FauError
from fau.labels import AFFECT, EXPRESSIONS

Undersample = Literal["none", "classes", "expressions"]
WeightsFrom = Literal["natural", "sampled"]


@dataclass(frozen=True)
class TrainingPlan:
    """The training part of a fold and the rule that cuts it.

    Attributes:
        targets: Labels of the whole crop set.
        rows: int64, manifest rows of the training part.
        draw: The samples of each epoch.
        undersample: The rule.
    """

    targets: Targets
    rows: NDArray[np.int64]
    draw: EpochDraw | RotatingDraw
    undersample: Undersample

    @classmethod
    def make(
        cls,
        targets: Targets,
        rows: NDArray[np.int64],
        undersample: Undersample,
        ratio: float,
        seed: int,
        fold: int,
        rotation: Sequence[NDArray[np.int64]] = (),
    ) -> TrainingPlan:
        """Plan the training of a fold.

        Args:
            targets: Labels of the whole crop set.
            rows: Manifest rows of the training part.
            undersample: ``none``, ``classes`` (of the label set: ``undersample_labels`` on action units,
                ``undersample_classes`` on expressions) or ``expressions`` (``undersample_classes`` on all expressions).
            ratio: How far to cut, as a multiple of the rarest label's count.
            seed: Seed of the run.
            fold: Fold of the run.
            rotation: Parts of ``rows`` that epochs leave out by turns, of ``Split.rotation``.

        Raises:
            FauError: If a label has no positive among ``rows``, or no row has an expression to undersample by, or
                classes are of several tasks or of none.
        """
        for label, count in zip(targets.labels, (targets.shown[rows] > 0).sum(0), strict=True):
            if not count:
                raise FauError(
                    f"{label} has no {'value' if label in AFFECT else 'positive'} in the training part of fold {fold}; "
                    "use a label set without it, fewer folds or more groups"
                )
        if undersample == "classes" and list(targets.tasks) not in (["au"], ["expression"]):
            raise FauError(
                "undersample: classes needs a label set of action units alone or of expressions alone; set expressions "
                "or none"
            )
        if undersample == "expressions" and not (targets.expression[rows] >= 0).any():
            raise FauError("undersample: expressions needs expressions, but the training part has none; set none")

        def draw(part: NDArray[np.int64]) -> EpochDraw:
            return EpochDraw(part, seed, fold, _undersampling(targets, part, undersample, ratio))

        if not rotation:
            return cls(targets, rows, draw(rows), undersample)
        turns = tuple(draw(np.setdiff1d(rows, left_out, assume_unique=True)) for left_out in rotation)
        return cls(targets, rows, RotatingDraw(rows, turns), undersample)

    def counts(self, source: WeightsFrom) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return positives and coded samples of each label, (L,) each.

        Args:
            source: ``natural`` counts the training part, ``sampled`` what an epoch keeps of it in expectation.
        """
        share = np.ones(len(self.rows)) if source == "natural" else self.draw.share
        return share @ self.targets.shown[self.rows], share @ self.targets.coded[self.rows]

    def rates(self) -> NDArray[np.float64]:
        """Return each label's share of the coded samples that an epoch draws in expectation, (L,), above 0.

        Raises:
            FauError: If undersampling keeps no positive of a label.
        """
        positives, coded = self._kept_counts("sampled")
        return positives / coded

    def _kept_counts(self, source: WeightsFrom) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        positives, coded = self.counts(source)
        for label, count in zip(self.targets.labels, positives, strict=True):
            if not count:
                raise FauError(f"undersampling keeps no positive of {label}; set weights_from: natural or another rule")
        return positives, coded

    def weights(self, kind: Weights, source: WeightsFrom, beta: float = 0.999) -> NDArray[np.float32] | None:
        """Return the weights of the labels, (L,), task by task, or None for ``none``; valence and arousal weigh 1.

        Raises:
            FauError: If what undersampling keeps holds no positive of a label.
        """
        if kind == "none":
            return None
        if list(self.targets.tasks) == ["va"]:
            raise FauError(f"data.weights '{kind}' has nothing to weigh: valence and arousal have no classes; set none")
        positives, coded = self._kept_counts(source)
        weights = np.ones(len(positives), np.float32)
        for task, columns in self.targets.tasks.items():
            own, of = positives[columns], coded[columns]
            if task == "va":
                continue
            if kind == "inverse":
                weights[columns] = inverse_weights(own, of)
            elif kind == "effective":
                weights[columns] = effective_weights(own, beta)
            else:
                weights[columns] = balanced_weights(own, of, parts=len(own) if task == "expression" else 2)
        return weights

    def kept(self) -> dict[str, dict[str, float]]:
        """Return frames and positives of each label in all and in an epoch, in expectation.

        Returns:
            ``{"frames": {"of": all, "kept": an epoch's}, "AU1": ...}``; the two are equal where nothing is cut.
        """
        of, _ = self.counts("natural")
        kept, _ = self.counts("sampled")
        counts = {"frames": {"of": float(len(self.rows)), "kept": float(self.draw.size)}}
        pairs = zip(self.targets.labels, of.tolist(), kept.tolist(), strict=True)
        counts |= {label: {"of": a, "kept": round(b, 2)} for label, a, b in pairs}
        if self.undersample == "expressions" and not self.targets.single:
            for code, name in enumerate(EXPRESSIONS):
                shown = self.targets.expression[self.rows] == code
                if shown.any():
                    counts[name] = {"of": float(shown.sum()), "kept": round(float(self.draw.share @ shown), 2)}
        return counts

    def kept_in(self, epoch: int) -> dict[str, int]:
        """Return frames and positives of each label that one epoch, counted from 0, draws."""
        rows = self.draw.chosen(epoch)
        positives = self.targets.shown[rows].sum(0).astype(int).tolist()
        return {"frames": len(rows)} | dict(zip(self.targets.labels, positives, strict=True))


def _undersampling(
    targets: Targets, rows: NDArray[np.int64], undersample: Undersample, ratio: float
) -> Undersampling | None:
    if undersample == "none":
        return None
    if undersample == "expressions":
        return undersample_classes(targets.expression[rows], ratio)
    if targets.single:
        return undersample_classes(np.where(targets.coded[rows, 0], targets.present[rows].argmax(1), -1), ratio)
    return undersample_labels(targets.present[rows] > 0, targets.coded[rows], ratio)
