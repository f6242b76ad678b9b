"""Published rows: what their labels average to, where print disagrees, and beside which runs they stand."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
from fake_runs import LABELS, write_run

from fau.errors import FauError
from fau.labels import EXPRESSION_SETS, LABEL_SETS, au_label
from fau.report.build import build_report
from fau.report.formats.csv_files import csv_published
from fau.report.load import load_runs
from fau.report.published import ROUNDING, asked, known, parse
from fau.report.tables.published import published_table

ROWS = [(name, row) for name, rows in known().items() for row in rows]
# Printed means that do not follow from the labels printed beside them.
DISCREPANT = {
    ("bp4d", "EAC-Net", "55.9", "55.58"),
    ("disfa", "EAC-Net", "48.5", "57.41"),
    ("disfa", "UGN-B", "60.0", "59.40"),
    ("disfa", "HSTR-Net", "62.9", "67.1"),
    ("disfa", "SMA-Net", "64.2", "62.4"),
    ("disfa", "GPT-4V", "67.3", "68.1"),
}


@pytest.mark.parametrize(("name", "row"), ROWS, ids=lambda value: getattr(value, "method", value))
def test_recomputed_means_are_those_of_the_labels(name, row):
    if not row.labels:
        return
    assert list(row.labels) == [au_label(au) for au in LABEL_SETS[row.label_set]]
    mean = sum(map(Decimal, row.labels.values())) / len(row.labels)
    assert abs(Decimal(row.metrics["f1_macro_recomputed"]) - mean) <= Decimal("0.005")
    assert all(0 < Decimal(value) < 100 for value in row.labels.values())


def test_every_discrepancy_is_known():
    found = {(n, r.method, r.metrics["f1_macro"], r.metrics["f1_macro_recomputed"]) for n, r in ROWS if r.discrepancy}
    assert found == DISCREPANT
    assert Decimal("0.1") == ROUNDING


def test_rows_name_what_exists():
    assert {"bp4d", "disfa", "affwild2", "expressions"} <= set(known())
    for name, row in ROWS:
        assert row.label_set in LABEL_SETS or row.label_set in EXPRESSION_SETS, (name, row.method)
        assert row.paper and row.read_in and row.metrics
    methods = [(row.corpus, row.method, row.part) for _, row in ROWS]
    assert len(set(methods)) == len(methods)
    anchors = {(row.corpus, row.method): row.metrics["f1_macro"] for _, row in ROWS if "f1_macro" in row.metrics}
    assert anchors["bp4d", "ME-GraphAU, ResNet-50"] == "64.7" and anchors["disfa", "JAA-Net v2"] == "63.5"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("method,corpus\na,b\n", "lacks the column label_set"),
        ("method,corpus,label_set,f1_macro\na,b,c,high\n", "line 2: f1_macro is 'high', which is no number"),
        ("method,corpus,label_set,AU1\na,b,c,nan\n", "line 2: AU1 is 'nan'"),
        ("method,corpus,label_set\n,b,c\n", "line 2, has no method"),
        ("method,corpus,label_set\na,b,c,d\n", "line 2, has too many cells"),
        ("", "lacks the column method"),
    ],
)
def test_a_bad_file_is_one_sentence(text, fault):
    with pytest.raises(FauError, match=f"^'rows.csv'.*{fault}"):
        parse(text, "rows.csv")


def test_a_file_of_ones_own(tmp_path):
    file = tmp_path / "mine.csv"
    with pytest.raises(FauError, match=r"cannot be read .*check the path"):
        asked(str(file))
    with pytest.raises(FauError, match="published rows 'mine' are unknown; choose of affwild2, bp4d"):
        asked("mine")
    file.write_text("method,corpus,label_set,f1_macro,AU1\nours,bp4d,bp4d12,61.2,50\n")
    write_run(tmp_path / "runs", "full", 1, published=[str(file), "nobody"])
    experiment = build(tmp_path / "runs")
    assert [row.method for row in experiment.published] == ["ours"]
    assert "published rows 'nobody' are unknown" in "\n".join(experiment.warnings)
    assert published_table(experiment).rows[-1][:4] == ["ours ≠", "bp4d", "", "61.2"]


def build(root):
    return build_report(root, load_runs(root), resamples=9).experiments[0]


def run(root, corpus, protocol, **keys):
    crop_set = {"id": "5a11c0de", "name": "mine", "corpus": corpus, "path": "crops", "size": 64}
    return write_run(root, "full", 1, crop_set=crop_set, protocol=protocol, **keys)


def test_rows_of_the_same_corpus_and_labels_are_shown(tmp_path):
    run(tmp_path, "bp4d", "bp4d3-jaa")
    experiment = build(tmp_path)
    table = published_table(experiment)
    assert table.rows[0][:3] == ["full ¶", "bp4d", "these runs"] and table.rows[0][4] == ""
    by_name = {row[0]: row for row in table.rows}
    # The folds of bp4d3-jaa are those of bp4d3 in another order; those of LP-Net nobody checked, text 000's are others.
    assert by_name["JAA-Net v1"][3:5] == ["60.0", "59.96"] and by_name["JAA-Net v1"][-12:][0] == "47.2"
    assert {"EAC-Net !", "LP-Net ≠", "JAA-Net of text 000, best epoch ≠"} <= set(by_name)
    text = "\n".join(table.notes)
    assert "! EAC-Net (bp4d): the mean is printed as 55.9, its labels give 55.58." in text
    assert "MDHR, ResNet-50; MDHR, Swin-B: the test fold chose the epoch." in text
    assert table.headings[3:8] == ["F1, mean of folds", "recomputed", "accuracy", "landmark error", "failures"]
    assert by_name["JAA-Net of text 000, best epoch ≠"][5:8] == ["77.63", "4.03", "0.07"]


@pytest.mark.parametrize(
    ("corpus", "protocol", "keys", "shown"),
    [
        ("synthetic", "kfold", {}, 0),
        ("synthetic", "kfold", {"published": ["bp4d", "disfa"]}, 24),  # not the other labels'
        ("bp4d", "kfold", {"label_set": "disfa8", "labels": LABELS[:8]}, 0),
        ("megraphau", "bp4d3", {}, 24),  # the lists of ME-GraphAU are BP4D's by their folds
        ("rafdb", "official", {"label_set": "basic7"}, 3),
        ("fer2013", "official", {"label_set": "basic7"}, 0),
        ("affwild2", "official", {"label_set": "affwild12+affwild8"}, 14),
        ("bp4d", "bp4d3", {"published": ["bp4d"]}, 24),  # each once
    ],
)
def test_where_rows_are_shown(tmp_path, corpus, protocol, keys, shown):
    run(tmp_path, corpus, protocol, **keys)
    experiment = build(tmp_path)
    assert len(experiment.published) == shown
    assert (published_table(experiment) is None) == (shown == 0)


def test_on_a_synthetic_corpus_nothing_is_comparable(ablation):
    experiment = build(ablation)
    rows = published_table(experiment).rows[len(experiment.rows) :]
    assert rows and all("≠" in row[0] for row in rows)


def test_csv_has_fractions_and_sources(ablation):
    lines = list(csv.DictReader(io.StringIO(csv_published(build_report(ablation, load_runs(ablation), resamples=9)))))
    (line,) = [line for line in lines if line["row"] == "EAC-Net"]
    assert (float(line["f1_macro"]), float(line["AU1"]), line["comparable"]) == (0.559, 0.39, "False")
    assert "the mean is printed as 55.9" in line["warnings"] and "ME-GraphAU" in line["read_in"]
    (seed,) = [line for line in lines if line["row"].endswith("best epoch")]
    assert float(seed["landmark_error"]) == 0.0403 and float(seed["accuracy"]) == 0.7763
