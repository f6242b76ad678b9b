"""What stands beside F1: all in a line, epochs, accuracy by label, attention, how checkpoints were chosen."""

from __future__ import annotations

import csv
import io
import json
import re

import cv2
import numpy as np
import pytest
from fake_runs import write_ablation, write_run

from fau import stats
from fau.report.build import build_report
from fau.report.formats.csv_files import csv_epochs, csv_labels
from fau.report.formats.page import page
from fau.report.load import load_runs
from fau.report.tables.epochs import epoch_tables
from fau.report.tables.explained import explained_table
from fau.report.tables.labels import accuracy_table
from fau.report.tables.runs import run_table
from fau.report.tables.side_by_side import side_by_side
from fau.report.tables.table import percent


def make(root):
    return build_report(root, load_runs(root), resamples=9)


def build(root):
    return make(root).experiments[0]


def test_side_by_side_leaves_out_what_no_row_has(tmp_path):
    write_ablation(tmp_path)
    assert [*side_by_side(build(tmp_path)).headings] == [
        *("row", "F1", "accuracy", "test loss", "training loss", "images/s", "parameters")
    ]
    for fold in (1, 2, 3):
        write_run(tmp_path, "jaa", fold, order=9, landmarks=0.04, metrics={"test/loss": 0.3 + fold / 10})
    experiment = build(tmp_path)
    table, row = side_by_side(experiment), experiment.rows[-1]
    assert table.headings[3:5] == ["landmark error", "failures"]
    jaa = dict(zip(table.headings, table.rows[-1], strict=True))
    assert jaa["landmark error"] == percent(row.landmarks.error.value, digits=2) and jaa["test loss"] == "0.500"
    losses = [run.epochs["train/loss"] for run in row.runs]
    assert jaa["training loss"] == f"{np.mean([v[0] for v in losses]):.3f} to {np.mean([v[-1] for v in losses]):.3f}"
    assert table.rows[0][3:6] == ["–", "–", "–"]  # noqa: RUF001 - as printed


def test_accuracy_of_labels_is_pooled(ablation):
    experiment = build(ablation)
    row = experiment.reference
    totals = row.counts[0].sum(0)
    want = (totals[:, 0] + totals[:, 3]) / totals.sum(1)
    table = accuracy_table(experiment)
    assert table.rows[0] == ["full", *map(percent, [*want, stats.macro_mean(want)])]
    lines = list(csv.DictReader(io.StringIO(csv_labels(make(ablation)))))
    assert [float(line["accuracy"]) for line in lines[:12]] == pytest.approx(list(want))


def test_epochs_are_means_over_the_runs_that_reached_them(tmp_path):
    write_run(tmp_path, "full", 1, epochs=4, landmarks=0.04, best_epoch=3)
    write_run(tmp_path, "full", 2, epochs=6, landmarks=0.04, best_epoch=3)
    experiment = build(tmp_path)
    (table,) = epoch_tables(experiment)
    assert table.headings == [*("epoch", "training loss", "loss", "F1", "landmark error", "failures", "runs", "chosen")]
    assert [row[0] for row in table.rows] == list("123456")
    assert [row[-2:] for row in table.rows] == [["2", ""]] * 3 + [["2", "2"]] + [["1", ""]] * 2
    runs = experiment.reference.runs
    third = np.mean([run.epochs["val/f1_macro"][2] for run in runs])
    assert table.rows[2][3] == f"{100 * third:.2f}" and table.rows[2][4:6] == ["5.00", "5.00"]
    assert table.rows[5][3] == f"{100 * runs[1].epochs['val/f1_macro'][5]:.2f}"
    lines = list(csv.DictReader(io.StringIO(csv_epochs(make(tmp_path)))))
    assert float(lines[2]["val_f1_macro"]) == pytest.approx(third) and lines[3]["chosen"] == "2"


@pytest.mark.parametrize(
    ("selection", "words", "note", "mark"),
    [
        ("val", "best, validation", "validation subjects", set()),
        ("last", "last epoch", "validation subjects", set()),
        ("test", "best, TEST FOLD", "† These scores are of the test fold", {"†"}),
    ],
)
def test_how_the_checkpoint_was_chosen_is_said(tmp_path, selection, words, note, mark):
    for fold in (1, 2, 3):
        write_run(tmp_path, "full", fold, selection=selection)
    experiment = build(tmp_path)
    assert experiment.reference.marks == mark
    assert words in run_table(experiment).rows[0]
    assert note in epoch_tables(experiment)[0].notes[0]


def explain(run, names=("attention.jpg", "wrong.jpg"), **index):
    folder = run.path / "explain"
    folder.mkdir()
    for name in names:
        cv2.imwrite(str(folder / name), np.full((900, 1300, 3), 90, np.uint8))
    pictures = [{"file": name, "kind": "maps", "title": f"<{name}>", "caption": "What it is."} for name in names]
    rows = [
        {"label": "AU1", "share": 0.2, "chance": 0.1, "ratio": 2.0, "low": 1.5, "high": 2.5, "others": None},
        {"label": "AU2", "share": 0.1, "chance": 0.1, "ratio": 1.0, "low": 0.5, "high": 1.5, "others": None},
        {"label": "AU4", "share": None, "chance": 0.1, "ratio": None, "low": None, "high": None, "others": None},
    ]
    tables = [{"method": "attention", "title": "t", "faces": 12, "subjects": 3, "notes": [], "rows": rows}]
    content = {"format": 1, "network": "GLACNN", "pictures": pictures, "tables": tables}
    (folder / "index.json").write_text(json.dumps(content | index))


def test_pictures_of_attention_are_embedded_small(tmp_path):
    run = write_run(tmp_path / "runs", "full", 1)
    explain(run)
    (run.path / "explain" / "wrong.jpg").unlink()
    report = make(tmp_path / "runs")
    text = page(report, tmp_path / "out")
    (data,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    assert len(data) < 20_000
    assert 'href="../runs/gla/full-s0-f1/explain/attention.jpg"' in text and "&lt;attention.jpg&gt;" in text
    assert "What the networks look at" in text
    table = explained_table(report.experiments[0])
    assert table.rows == [["full, attention", "12", "2.0*", "1.0", *["–"] * 10]]  # noqa: RUF001 - as printed
    assert side_by_side(report.experiments[0]).rows[0][-1] == "1.50"


@pytest.mark.parametrize("index", [{"format": 2}, {"pictures": 3}, {"pictures": [{"file": 1}]}, {"tables": [3]}, "{"])
def test_pictures_of_another_form_are_left_out(tmp_path, index):
    run = write_run(tmp_path, "full", 1)
    explain(run, **(index if isinstance(index, dict) else {}))
    if not isinstance(index, dict):
        (run.path / "explain" / "index.json").write_text(index)
    report = make(tmp_path)
    assert "What the networks look at" not in page(report, tmp_path)
    assert explained_table(report.experiments[0]) is None


def test_without_pictures_there_is_no_such_section(ablation, tmp_path):
    assert "What the networks look at" not in page(make(ablation), tmp_path)
