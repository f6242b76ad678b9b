"""Compare the rows of each experiment with its reference: everything that the tables and figures show."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fau import __version__
from fau.errors import FauError
from fau.report.audit import audit
from fau.report.load import Run
from fau.report.pool import build_row
from fau.report.published import PublishedRow, choose
from fau.report.rows import Comparison, Row
from fau.report.tasks.affect import AffectExperiment, build_affect, has_affect, unfinished
from fau.report.tasks.multitask import MultiTaskExperiment, build_multitask
from fau.report.tasks.views import task_views
from fau.stats import SwapTest, difference_intervals, holm, swap_test


@dataclass(frozen=True)
class Experiment:
    """One experiment: a reference row and what is compared with it.

    Attributes:
        name: Of the experiment.
        rows: The reference first, then in the order in which they were started.
        runs: Every run found, finished or not.
        labels: Labels of the reference.
        warnings: What makes rows incomparable or incomplete.
        published: Published rows of the same labels, and of the same corpus or named by the configurations.
    """

    name: str
    rows: list[Row]
    runs: list[Run]
    labels: tuple[str, ...]
    warnings: list[str]
    published: list[PublishedRow] = field(default_factory=list)

    @property
    def reference(self) -> Row:
        """The row that the others are compared with."""
        return self.rows[0]

    @property
    def noun(self) -> str:
        """What a label is: ``action unit`` or ``expression``."""
        return "expression" if self.reference.runs[0]["task"] == "expression" else "action unit"

    @property
    def absent(self) -> tuple[str, ...]:
        """Labels without a coded positive in the reference's test parts."""
        return self.reference.absent


@dataclass(frozen=True)
class Report:
    """What all outputs are made from.

    Attributes:
        root: Folder of the runs.
        experiments: In alphabetical order.
        warnings: About experiments that have no row to show.
        resamples: Number of random swaps, where not all were enumerated.
        level: Confidence level.
        created: When, local time.
        version: Of fau.
        affect: Experiments of valence and arousal, in alphabetical order.
        multitask: Experiments of several tasks in one network, in alphabetical order.
    """

    root: Path
    experiments: list[Experiment]
    warnings: list[str]
    resamples: int
    level: float
    created: datetime
    version: str = __version__
    affect: list[AffectExperiment] = field(default_factory=list)
    multitask: list[MultiTaskExperiment] = field(default_factory=list)


def build_report(
    root: Path, runs: list[Run], reference: str | None = None, resamples: int = 9999, level: float = 0.95
) -> Report:
    """Pool, compare and audit.

    Args:
        root: Folder that the runs came from.
        runs: From ``load_runs``.
        reference: Row to compare with; by default the row that was started first.
        resamples: Random swaps a comparison.
        level: Confidence level of the intervals.

    Raises:
        FauError: If no run is finished, or no experiment has the reference.
    """
    multitask = build_multitask(runs, reference, resamples, level)
    runs = [view for run in runs for view in task_views(run)]
    affect = build_affect(runs, reference, resamples, level)
    by_experiment: dict[str, list[Run]] = {}
    for run in runs:
        if not has_affect(run):
            by_experiment.setdefault(run.experiment, []).append(run)
    experiments, warnings, names = [], [], {row.name for experiment in affect for row in experiment.rows}
    warnings += unfinished(runs, affect)
    for name, members in sorted(by_experiment.items()):
        notes: list[str] = []
        rows = _rows(members, notes, level)
        names |= {row.name for row in rows}
        if not rows:
            states = ", ".join(f"{run.name} fold {run.fold}: {run.fault or run.status}" for run in members[:5])
            warnings.append(f"experiment '{name}' has no finished run ({states})")
            continue
        if reference is not None:
            if reference not in [row.name for row in rows] and len(rows) > 1:
                notes.append(f"there is no finished row '{reference}': '{rows[0].name}' is the reference")
            rows.sort(key=lambda row: row.name != reference)
        _compare(rows, notes, resamples, level)
        published = _published(rows, members, notes)
        warning = audit(rows, members) + notes
        experiments.append(Experiment(name, rows, members, rows[0].labels, warning, published))
    if not experiments and not affect:
        raise FauError(f"'{root}' holds no finished run yet: {'; '.join(warnings)}")
    if reference is not None and reference not in names:
        known = ", ".join(sorted(names))
        raise FauError(f"--reference '{reference}' is no finished row of '{root}'; choose one of {known}")
    return Report(
        root, experiments, warnings, resamples, level, datetime.now().astimezone(), affect=affect, multitask=multitask
    )


def _rows(runs: list[Run], notes: list[str], level: float) -> list[Row]:
    members: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.started, run.fold)):
        if run.status != "unreadable":
            members.setdefault(run.name, []).append(run)
    built = [build_row(name, group, notes, level) for name, group in members.items()]
    return [row for row in built if row is not None]


def _compare(rows: list[Row], notes: list[str], resamples: int, level: float) -> None:
    """Fill in each row's comparison with the first, adjusted over all of them."""
    reference = rows[0]
    compared: list[tuple[Row, Comparison, SwapTest]] = []
    elsewhere: list[str] = []
    for row in rows[1:]:
        if row.labels != reference.labels:
            notes.append(f"row '{row.name}' has other labels than the reference and is not compared")
            continue
        groups = sorted(set(row.groups) & set(reference.groups))
        seeds = tuple(sorted(set(row.seeds) & set(reference.seeds)))
        if not groups or not seeds:
            what = "test subject" if not groups else "seed"
            notes.append(f"row '{row.name}' has no {what} in common with the reference and is not compared")
            continue
        remarks = []
        if set(row.groups) != set(reference.groups):
            row.marks.add("§")
            remarks.append(f"over the {len(groups)} subjects that both tested")
        if row.seeds != seeds or reference.seeds != seeds:
            for lacking, having in ((row, reference), (reference, row)):
                if set(having.seeds) - set(lacking.seeds):
                    lacking.marks.add("¶")
            remarks.append(f"over the common seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}")
        own, other = _select(row, seeds, groups), _select(reference, seeds, groups)
        if not np.array_equal(own[..., 0] + own[..., 2], other[..., 0] + other[..., 2]):
            elsewhere.append(row.name)
        test = swap_test(own, other, resamples=resamples)
        difference = difference_intervals(own, other, level=level)
        note = "; ".join(remarks)
        draft = Comparison(difference, test.macro, test.macro, test.labels, len(groups), seeds, test.exact, note)
        compared.append((row, draft, test))
    if elsewhere:
        listed = ", ".join(elsewhere)
        notes.append(f"scored on other frames or labels than the reference, so the test is doubtful: {listed}")
    if not compared:
        return
    macro = holm([test.macro for _, _, test in compared])
    labels = holm(np.array([test.labels for _, _, test in compared]))
    for (row, draft, _), p, label_p in zip(compared, macro, labels, strict=True):
        changes = {"p": float(p), "label_p": tuple(map(float, label_p))}
        row.comparison = Comparison(**(draft.__dict__ | changes))


def _select(row: Row, seeds: tuple[int, ...], groups: list[str]) -> NDArray[np.int64]:
    """Counts ``(seeds, groups, labels, 3)`` of some seeds and groups."""
    by_seed = [row.seeds.index(seed) for seed in seeds]
    position = {group: index for index, group in enumerate(row.groups)}
    return row.counts[by_seed][:, [position[group] for group in groups], :, :3]


def _published(rows: list[Row], runs: list[Run], notes: list[str]) -> list[PublishedRow]:
    """Choose the published rows to show beside an experiment's."""
    asked = [run["published"] for run in runs]
    names = [name for names in asked if isinstance(names, list) for name in names if isinstance(name, str)]
    used = [run for row in rows for run in row.runs]
    tested = [(str((run["crop_set"] or {}).get("corpus", "")), str(run["protocol"] or "")) for run in used]
    label_set = str(rows[0].runs[0]["label_set"] or "")
    return choose(list(dict.fromkeys(names)), label_set, list(dict.fromkeys(tested)), notes)
