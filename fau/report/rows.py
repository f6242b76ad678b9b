"""A row of a report, which is one configuration, and its comparison with the reference."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fau.metrics.ranking import Ranking
from fau.report.epochs import Epoch, epochs_of
from fau.report.load import Run
from fau.report.scores.classes import ClassScores
from fau.report.scores.holdout import HoldoutScores
from fau.report.scores.landmarks import LandmarkScores
from fau.stats import Estimate

Verdict = Literal["better", "worse", "not told apart"]
ALPHA = 0.05  # a difference with a smaller p is told apart


@dataclass(frozen=True)
class Comparison:
    """A row against the reference, over what both tested.

    Attributes:
        difference: F1 of the row less that of the reference.
        p: p of the macro difference, adjusted over the rows (Holm).
        p_raw: The same, not adjusted.
        label_p: p of each label, adjusted over labels and rows (Holm).
        groups: Number of groups that both tested.
        seeds: Seeds that both trained.
        exact: Whether every swap was enumerated.
        note: What the comparison leaves out; empty if nothing.
    """

    difference: Estimate
    p: float
    p_raw: float
    label_p: tuple[float, ...]
    groups: int
    seeds: tuple[int, ...]
    exact: bool
    note: str = ""


@dataclass
class Row:
    """One configuration of an experiment.

    Attributes:
        name: The configuration.
        runs: Its finished runs that are used, one per seed and fold.
        all_runs: Every run found of it, finished or not.
        labels: Label names, in the order of the counts.
        groups: Groups that every used seed tested, sorted.
        seeds: Seeds used: those with the most folds.
        folds: Folds of these seeds.
        expected_folds: Number of folds that the protocol has.
        counts: ``(seeds, groups, labels, 4)`` TP, FP, FN, TN.
        estimate: Pooled F1 with intervals.
        fold_mean: Macro F1 of each run, averaged: the literature's number.
        label_fold_mean: F1 per label, averaged over runs.
        accuracy: Pooled accuracy, averaged over labels; of expressions the share of frames with the right one.
        label_accuracy: Accuracy of each label, pooled, averaged over seeds; NaN where nothing was coded.
        ranking: Threshold-free scores averaged over runs.
        classes: Of a single-label task, its classes; None where not every run kept predictions.
        holdout: Scores on the hold-out set; None where not every run has the same.
        landmarks: Landmark error and failures, pooled; None where not every run has landmarks.
        comparison: Against the reference; None for the reference itself and where nothing can be compared.
        marks: Marks that the row carries in every table, keys of ``MARKS``.
        notes: Remarks on the row.
    """

    name: str
    runs: list[Run]
    all_runs: list[Run]
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    expected_folds: int
    counts: NDArray[np.int64]
    estimate: Estimate
    fold_mean: float
    label_fold_mean: tuple[float, ...]
    accuracy: float
    label_accuracy: tuple[float, ...]
    ranking: Ranking | None
    classes: ClassScores | None = None
    holdout: HoldoutScores | None = None
    landmarks: LandmarkScores | None = None
    comparison: Comparison | None = None
    marks: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    @cached_property
    def epochs(self) -> list[Epoch]:
        """Epoch by epoch, the mean over runs, first to last."""
        return epochs_of(self.runs)

    @property
    def seconds(self) -> float | None:
        """Wall time of all used runs together, s."""
        times = [float(run["wall_s"]) for run in self.runs if run["wall_s"] is not None]
        return sum(times) if times else None

    @property
    def images_per_second(self) -> float | None:
        """Median training rate over runs."""
        rates = [float(run["images_per_s"]) for run in self.runs if run["images_per_s"] is not None]
        return median(rates) if rates else None

    @property
    def losses(self) -> tuple[float, float] | None:
        """Training loss of the first and of the last epoch, averaged over runs; None where it was not kept."""
        kept = [[v for v in run.epochs.get("train/loss", []) if v is not None] for run in self.runs]
        if not all(kept):
            return None
        return float(np.mean([values[0] for values in kept])), float(np.mean([values[-1] for values in kept]))

    @property
    def test_loss(self) -> float | None:
        """Loss on the test folds as the metrics have it, unweighted, averaged over runs; None where one lacks it."""
        losses = [(run["metrics"] or {}).get("test/loss") for run in self.runs]
        known = [float(loss) for loss in losses if isinstance(loss, int | float)]
        return sum(known) / len(known) if known and len(known) == len(losses) else None

    @property
    def parameters(self) -> int | None:
        """Number of the network's parameters."""
        number = self.runs[0]["parameters"]
        return None if number is None else int(number)

    @property
    def verdict(self) -> Verdict | None:
        """What the test against the reference says of the row; None where nothing was compared."""
        against = self.comparison
        if against is None or math.isnan(against.difference.macro.value):
            return None
        if against.p >= ALPHA or math.isnan(against.p):
            return "not told apart"
        return "better" if against.difference.macro.value > 0 else "worse"

    @property
    def absent(self) -> tuple[str, ...]:
        """Labels without a coded positive: left out of the mean."""
        pairs = zip(self.labels, self.estimate.labels, strict=True)
        return tuple(label for label, interval in pairs if np.isnan(interval.value))


MARKS: dict[str, str] = {
    "†": "the checkpoint was chosen on the test fold: the score is too high by an unknown amount",
    "◊": "rotating validation chose the checkpoint, on subjects that were trained on in other epochs",
    "‡": "images were enlarged to the network's input size",
    "§": "other subjects than the reference: the difference is over those that both tested",
    "¶": "not all folds (or seeds) are finished",
}
