"""Published rows of classes stand above ours in the top-1 and top-2 tables, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from expression_runs import write_expression_run

from fau.labels import EXPRESSION_SETS
from fau.report.build import build_report
from fau.report.load import load_runs
from fau.report.tables.classes import class_tables
from fau.report.tables.published import published_table

EIGHT = EXPRESSION_SETS["affectnet8"]


@pytest.mark.parametrize(("published", "shown"), [(["expressions"], 3), ([], 0)])
def test_published_classes_stand_above_ours(tmp_path: Path, published: list[str], shown: int) -> None:
    for fold in (1, 2):
        write_expression_run(tmp_path, "ours", fold, classes=EIGHT, label_set="affectnet8", published=published)
    experiment = build_report(tmp_path, load_runs(tmp_path), resamples=9).experiments[0]
    one, two = class_tables(experiment, 0.95)[:2]
    assert [len(table.rows) for table in (one, two)] == [shown + 1, shown + 1]
    assert one.rows[-1][0] == "ours"
    if not shown:
        return
    by_heading = dict(zip(one.headings, one.rows[0], strict=True))
    assert by_heading["row"] == "AffectNet's paper ≠"
    assert (by_heading["contempt"], by_heading["happiness"], by_heading["mean"]) == ("32.0", "58.0", "51.9")
    assert dict(zip(two.headings, two.rows[2], strict=True))["anger"] == "80.0"
    assert "AffectNet's paper: the mean is printed as 49.8, its classes give 51.9." in one.notes
    assert "text 001, avg_all: the mean is printed as 64, its classes give 65.9." in two.notes
    assert not any("the mean is printed" in note and "all_models" in note for note in one.notes + two.notes)
    other = published_table(experiment)
    assert other is None or not any("text 001" in row[0] for row in other.rows)
