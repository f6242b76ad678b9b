from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import wandb

from fau.explain.choose import Scored
from fau.metrics import au_metrics
from fau.tracking.charts import charts
from fau.tracking.faces import _choose, _said
from fau.tracking.results import sends_pictures
from fau.tracking.settings import Tracking


def scored(classes: bool, seed: int = 0) -> Scored:
    """Scores of 60 faces of 10 subjects and 4 labels, some not coded; of the last label no face shows any."""
    draw = np.random.default_rng(seed)
    score = draw.random((60, 4)).astype(np.float32)
    present = np.eye(4, dtype=bool)[draw.integers(0, 4, 60)] if classes else draw.random((60, 4)) < 0.4
    coded = np.repeat(draw.random((60, 1)) < 0.9, 4, axis=1) if classes else draw.random((60, 4)) < 0.9
    if not classes:
        present[:, 3] = False
    groups = np.array([f"S{i % 10}" for i in range(60)])
    return Scored(["a", "b", "c", "d"], score, present & coded, coded, None if classes else 0.5, groups)


def table(chart: Any) -> list[list[Any]]:
    return list(chart.table.data)


def test_confusion_of_classes_is_the_chart_that_wandb_makes_of_every_sample() -> None:
    faces = scored(classes=True)
    kept = faces.coded.any(axis=1)
    theirs = wandb.plot.confusion_matrix(
        y_true=faces.present[kept].argmax(axis=1).tolist(),
        preds=faces.score[kept].argmax(axis=1).tolist(),
        class_names=faces.labels,
    )
    ours = charts("expression", faces)["charts/expression_confusion"]
    assert table(ours) == table(theirs) and ours.table.columns == theirs.table.columns
    assert ours.spec.spec_name == theirs.spec.spec_name and ours.spec.fields == theirs.spec.fields


def test_confusion_of_labels_is_in_percent_of_the_frames_with_and_without() -> None:
    faces = scored(classes=False)
    rows = {(actual, called): share for actual, called, share in table(charts("au", faces)["charts/au_confusion"])}
    kept = faces.coded[:, 0]
    right = (faces.score[:, 0] >= 0.5) & faces.present[:, 0] & kept
    assert rows["a present", "present"] == round(100 * right.sum() / faces.present[kept, 0].sum(), 1)
    assert rows["a present", "present"] + rows["a present", "absent"] == 100
    assert ("d present", "present") not in rows and ("d absent", "present") in rows


@pytest.mark.parametrize("classes", [True, False])
def test_table_of_labels_holds_the_metrics(classes: bool) -> None:
    faces = scored(classes)
    made = charts("task", faces)["charts/task_labels"]
    metrics = au_metrics(faces.score, faces.present.astype(int), faces.coded, faces.labels, faces.threshold)
    for row in made.data:
        values = dict(zip(made.columns, row, strict=True))
        assert values["TP"] + values["FP"] + values["FN"] + values["TN"] == faces.coded[:, row_of(row)].sum()
        for name, key in {"F1": "f1", "ROC-AUC": "roc_auc", "AP": "average_precision"}.items():
            assert values[name] == pytest.approx(metrics.get(f"{key}/{row[0]}"))


def row_of(row: list[Any]) -> int:
    return "abcd".index(row[0])


def test_precision_recall_has_the_fields_of_wandbs_preset() -> None:
    chart = charts("au", scored(classes=False))["charts/au_precision_recall"]
    assert chart.spec.spec_name == "wandb/area-under-curve/v0"
    assert set(chart.spec.fields.values()) == set(chart.table.columns)
    assert {row[0] for row in table(chart)} == {"a", "b", "c"}  # of d there is no positive, and so no curve
    at_all = [precision for label, precision, recall in table(chart) if label == "a" and recall == 1]
    faces = scored(classes=False)
    lowest = faces.score[faces.present[:, 0], 0].min()
    above = (faces.score[:, 0] >= lowest) & faces.coded[:, 0]
    assert at_all == [pytest.approx(faces.present[above, 0].mean(), abs=1e-4)]


def test_chart_is_as_long_whatever_was_tested() -> None:
    for chart in charts("au", scored(classes=False)).values():
        assert len(getattr(chart, "table", chart).data) <= 4 * 51


@pytest.mark.parametrize(
    ("pictures", "corpus", "sent"),
    [
        ("drawn", "synthetic", True),
        ("drawn", "bp4d", False),
        ("drawn", "table", False),
        ("all", "bp4d", True),
        ("none", "synthetic", False),
    ],
)
def test_faces_of_people_are_sent_only_where_asked(pictures: Any, corpus: str, sent: bool) -> None:
    assert sends_pictures(Tracking(pictures=pictures), corpus) is sent
    assert Tracking().pictures == "drawn" and Tracking().model is False


@pytest.mark.parametrize("classes", [True, False])
def test_chosen_faces_are_few_and_of_several_labels(classes: bool) -> None:
    faces = scored(classes)
    chosen = _choose({"task": faces}, 8)
    assert len({row for row, _, _ in chosen}) == len(chosen) == 8
    assert len({label for _, _, label in chosen}) >= 3
    wrong = [row for row, _, _ in chosen if (faces.said != faces.present)[row][faces.coded[row]].any()]
    assert wrong


def test_captions_say_what_was_found_and_missed() -> None:
    some = Scored(
        ["AU1", "AU2", "AU4"],
        np.array([[0.9, 0.1, 0.8], [0.1, 0.1, 0.1]], np.float32),
        np.array([[True, True, False], [False, False, False]]),
        np.ones((2, 3), bool),
        0.5,
        np.array(["S1", "S2"]),
    )
    assert _said(some, 0) == "found AU1; missed AU2; false AU4"
    assert _said(some, 1) == "nothing there, nothing found"
    classes = Scored(some.labels, some.score, some.present, some.coded, None, some.groups)
    assert _said(classes, 0) == "AU1 0.90, right"
