"""Which faces are shown."""

from __future__ import annotations

import numpy as np

from fau.explain.choose import Scored, sample

SCORE = np.array([[0.9], [0.8], [0.6], [0.4], [0.2], [0.95], [0.99]], np.float32)
PRESENT = np.array([[1], [1], [1], [1], [0], [0], [0]], bool)
GROUPS = np.array(["a", "a", "b", "b", "a", "b", "c"])


def _units(coded: np.ndarray | None = None) -> Scored:
    coded = np.ones_like(PRESENT) if coded is None else coded
    return Scored(["AU1"], SCORE, PRESENT & coded, coded, 0.5, GROUPS)


def test_surest_are_found_and_of_different_subjects_first() -> None:
    assert _units().pick("surest", 0, 9) == [0, 2, 1]
    none = Scored(["AU1"], SCORE / 3, PRESENT, np.ones_like(PRESENT), 0.5, GROUPS)  # none is found
    assert none.pick("surest", 0, 9) == [0, 2, 1, 3]


def test_wrong_are_missed_and_false_by_turns() -> None:
    assert _units().pick("wrong", 0, 9) == [3, 6, 5]
    assert _units().pick("wrong", 0, 2) == [3, 6]


def test_unsure_are_nearest_to_the_threshold() -> None:
    assert _units().pick("unsure", 0, 3) == [3, 4, 6]  # one of each subject


def test_what_nobody_coded_is_neither_right_nor_wrong() -> None:
    scored = _units(np.zeros_like(PRESENT))
    assert scored.pick("wrong", 0, 9) == scored.pick("unsure", 0, 9) == []
    assert scored.pick("surest", 0, 3) == [6, 5, 0]  # the highest scores


def test_classes_are_decided_by_the_highest_score() -> None:
    score = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]], np.float32)
    present = np.eye(3, dtype=bool)[[0, 0, 0, 2]]
    scored = Scored(["x", "y", "z"], score, present, np.ones_like(present), None, np.array(list("abcd")))
    assert scored.pick("surest", 0, 9) == [0, 1]
    assert scored.pick("wrong", 0, 9) == [2]
    assert scored.pick("unsure", 0, 9) == [1, 0, 2]
    assert scored.pick("surest", 2, 9) == [3] and scored.pick("surest", 1, 9) == []


def test_a_sample_has_every_label_and_as_many_subjects_as_there_are() -> None:
    present = np.zeros((60, 2), bool)
    present[:50, 0] = True
    present[50:53, 1] = True
    groups = np.array([f"s{i % 10}" for i in range(60)])
    rows = sample(present, groups, 12, seed=0)
    assert len(rows) == 12 and (np.diff(rows) > 0).all()
    assert present[rows, 1].sum() == 3  # the rare label's all
    assert len(set(groups[rows[present[rows, 0]]])) == 9  # nine of it, of nine subjects
    assert rows.tolist() == sample(present, groups, 12, seed=0).tolist() != sample(present, groups, 12, seed=1).tolist()
    assert len(sample(present, groups, 500, seed=0)) == 53
