# ruff: noqa: RUF001 - true minus signs and dashes are what is printed
import csv
import io
import re
from itertools import pairwise

import numpy as np
import pytest
from fake_runs import write_ablation, write_run
from rich.console import Console

from fau.report.build import build_report
from fau.report.formats.csv_files import csv_labels, csv_rows
from fau.report.formats.text import latex, markdown, print_report
from fau.report.load import load_runs
from fau.report.tables.table import bracket, count, p_text, percent, time_text
from fau.stats import ONE_GROUP, Interval


@pytest.fixture(scope="module")
def report(ablation):
    return build_report(ablation, load_runs(ablation), resamples=199)


def test_numbers():
    assert [percent(x) for x in (0.6234, 1, 0, float("nan"), None)] == ["62.3", "100.0", "0.0", "–", "–"]
    assert [percent(x, True) for x in (-0.0212, 0.01, -0.0001)] == ["−2.1", "+1.0", "0.0"]
    assert bracket(Interval(0.5, 0.4, 0.6)) == "[40.0, 60.0]" and bracket(Interval(0.5, 0, 1, ONE_GROUP)) == "–"
    assert [p_text(x) for x in (0.0004, 0.0312, float("nan"))] == ["< 0.001", "0.031", "–"]
    assert [time_text(x) for x in (5, 90, 7200, None)] == ["5 s", "1:30 min", "2:00 h", "–"]
    assert [count(x) for x in (12, 1164173, None)] == ["12", "1.16 M", "–"]


def test_terminal(report):
    console = Console(file=io.StringIO(), width=150)
    print_report(report, console)
    text = console.file.getvalue()
    row = next(row for row in report.experiments[0].rows if row.name == "no_attention")
    assert percent(row.estimate.macro.value) in text and bracket(row.comparison.difference.macro, True) in text
    assert "treat the trained models as fixed" in text and "mean of folds" in text
    assert (
        "12 " in text
        and "3 of 3" in text
        and "1.16 M" in text
        and "Published rows beside ours" in text
        and "JAA-Net v2 ≠" in text
    )


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_terminal_of_any_width_breaks_no_cell(report, width):
    console = Console(file=io.StringIO(), width=width)
    print_report(report, console)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    for row in report.experiments[0].rows[1:]:
        assert bracket(row.comparison.difference.macro, True) in text and bracket(row.estimate.macro) in text
    assert "F1, mean of folds" in text and "time, all runs" in text


def test_markdown_tables_are_square(report):
    tables = re.findall(r"(?:^\|.*\n)+", markdown(report), re.MULTILINE)
    assert len(tables) == 5 + 1 + 5  # those of the screen, accuracy, the epochs of each row
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1


def test_csv_holds_full_precision(report):
    lines = list(csv.DictReader(io.StringIO(csv_rows(report))))
    rows = report.experiments[0].rows
    assert [line["row"] for line in lines] == [row.name for row in rows]
    assert float(lines[1]["f1_macro"]) == rows[1].estimate.macro.value
    assert float(lines[1]["difference_low"]) == rows[1].comparison.difference.macro.low
    assert lines[0]["reference"] == "True" and lines[0]["p_holm"] == ""
    labels = list(csv.DictReader(io.StringIO(csv_labels(report))))
    assert len(labels) == 5 * 12 and {line["label"] for line in labels} >= {"AU1", "AU24"}
    tp, fp, fn = (int(labels[0][key]) for key in ("tp", "fp", "fn"))
    assert float(labels[0]["f1"]) == pytest.approx(2 * tp / (2 * tp + fp + fn))


def test_latex_is_booktabs_and_escaped(report):
    text = latex(report)
    assert "no\\_attention" in text and not re.search(r"(?<!\\)_", text.split("\n", 1)[1])
    assert not re.search(r"(?<!\\)%", text.split("\n", 1)[1])
    for begin, end in pairwise(re.findall(r"\\(begin|end)\{table\}", text)):
        assert begin != end
    assert text.count("\\toprule") == text.count("\\bottomrule") == 11
    text.replace("é", "").encode("ascii")  # whatever the engine's encoding


def test_odd_names_survive_every_output(tmp_path):
    name = "a|b <b>x</b> [red]&_%$#{}~^\\"
    write_ablation(tmp_path)
    write_run(tmp_path, name, 1, order=9).path.rename(tmp_path / "gla" / "odd")
    report = build_report(tmp_path, load_runs(tmp_path), resamples=9)
    console = Console(file=io.StringIO(), width=200)
    print_report(report, console)
    assert name in console.file.getvalue()
    assert "a\\|b &lt;b&gt;" in markdown(report)
    assert "\\&\\_\\%\\$\\#\\{\\}\\textasciitilde{}\\textasciicircum{}\\textbackslash{}" in latex(report)
    assert name in [line["row"] for line in csv.DictReader(io.StringIO(csv_rows(report)))]


def test_several_seeds_have_a_line_of_their_own(tmp_path):
    for name in ("full", "less"):
        for seed in (0, 1):
            write_run(tmp_path, name, 1, seed=seed, order=len(name))
    report = build_report(tmp_path, load_runs(tmp_path), resamples=9)
    row = report.experiments[0].rows[1]
    text = markdown(report)
    assert f"over 2 seeds, ± s.d. | {percent(np.mean(row.estimate.seeds))} ± " in text
    assert float(next(csv.DictReader(io.StringIO(csv_rows(report))))["f1_macro_seed_sd"]) > 0
