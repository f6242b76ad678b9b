"""The sections of a report, one an experiment, and their tables."""

from __future__ import annotations

from dataclasses import dataclass

from fau.report.build import Experiment, Report
from fau.report.tables.affect import affect_tables
from fau.report.tables.classes import class_tables
from fau.report.tables.epochs import epoch_tables
from fau.report.tables.explained import explained_table
from fau.report.tables.holdout import holdout_table
from fau.report.tables.labels import accuracy_table, label_table
from fau.report.tables.landmarks import landmark_table
from fau.report.tables.multitask import multitask_tables
from fau.report.tables.published import published_table
from fau.report.tables.runs import run_table
from fau.report.tables.scores import score_table
from fau.report.tables.side_by_side import side_by_side
from fau.report.tables.table import Table


@dataclass(frozen=True)
class Section:
    """An experiment as tables.

    Attributes:
        name: Of the experiment.
        warnings: What makes rows incomparable or incomplete.
        tables: In order.
    """

    name: str
    warnings: list[str]
    tables: list[Table]


def all_sections(report: Report, brief: bool = False, long: bool = False) -> list[Section]:
    """Return the sections of a report in order.

    Args:
        report: What to show.
        brief: As a terminal shows them: published rows without their labels.
        long: With the tables that only files hold.
    """
    sections = []
    for experiment in report.experiments:
        tables = [*all_tables(report, experiment, brief), *(long_tables(experiment) if long else [])]
        sections.append(Section(experiment.name, experiment.warnings, tables))
    return sections + plain_sections(report)


def plain_sections(report: Report) -> list[Section]:
    """Return the sections that are tables alone everywhere: those over all tasks, and of valence and arousal."""
    several = [Section(e.name, e.warnings, multitask_tables(e, report.level)) for e in report.multitask]
    return several + [Section(e.name, e.warnings, affect_tables(e, report.level)) for e in report.affect]


def all_tables(report: Report, experiment: Experiment, brief: bool = False) -> list[Table]:
    """Every table of an experiment that is no longer than its rows, in order.

    Args:
        report: Of which it is.
        experiment: Which.
        brief: As a terminal shows them: published rows without their labels.
    """
    tables = [
        score_table(experiment, report.level),
        side_by_side(experiment),
        *class_tables(experiment, report.level),
        holdout_table(experiment, report.level),
        label_table(experiment),
        landmark_table(experiment, report.level),
        run_table(experiment),
        explained_table(experiment),
        published_table(experiment, with_labels=not brief),
    ]
    return [table for table in tables if table is not None]


def long_tables(experiment: Experiment) -> list[Table]:
    """What only files hold: accuracy by label, and scores by epoch."""
    accuracies = accuracy_table(experiment)
    return [*([accuracies] if accuracies else []), *epoch_tables(experiment)]
