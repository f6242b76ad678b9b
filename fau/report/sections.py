"""The experiments that a report shows as tables alone: those over all tasks, and of valence and arousal."""

from __future__ import annotations

from dataclasses import dataclass

from fau.report.affect_table import affect_tables
from fau.report.build import Report
from fau.report.multitask_table import multitask_tables
from fau.report.tables import Table


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


def plain_sections(report: Report) -> list[Section]:
    """Return the sections of a report that are tables alone, in order."""
    several = [Section(e.name, e.warnings, multitask_tables(e, report.level)) for e in report.multitask]
    return several + [Section(e.name, e.warnings, affect_tables(e, report.level)) for e in report.affect]
