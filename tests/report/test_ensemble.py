"""Ensembles of runs: the mean they say it is, over the same samples or not at all, and rows like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from expression_runs import CLASSES, write_expression_run
from fake_runs import write_run

from fau.cli.ensemble import main
from fau.cli.report import main as report
from fau.ensemble.members import members
from fau.ensemble.votes import RULES, combine, vote_weights
from fau.ensemble.write import write_ensembles
from fau.errors import FauError
from fau.runs import ledger

SKILLS: dict[str, tuple[float, ...]] = {"a": (2.0, 0.2, 1.0, 1.0), "b": (0.2, 2.0, 1.0, 1.0), "c": (0.7, 0.7, 0.7, 0.7)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for fold in (1, 2):
        for name, skill in SKILLS.items():
            write_expression_run(tmp_path, name, fold, skill=skill, training=True)
    return tmp_path


def test_scores_are_the_weighted_means_by_hand(root: Path) -> None:
    for group in members(ledger(root)).values():
        for rule in RULES:
            weights = vote_weights(group, rule)
            np.testing.assert_allclose(weights.sum(axis=0), 1)
            scores = combine(group, weights, "test")
            np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
            for sample in (0, 17):
                vote = [
                    sum(
                        float(weights[m, c]) * float(member.part("test", "score")[sample, c])
                        for m, member in enumerate(group)
                    )
                    for c in range(len(CLASSES))
                ]
                np.testing.assert_allclose(scores[sample], np.array(vote) / sum(vote), rtol=1e-5)


def test_a_class_is_voted_by_those_who_know_it_on_validation_subjects(root: Path) -> None:
    group = members(ledger(root))[1, 0]
    weights = vote_weights(group, "class")
    for row, member in zip(weights, group, strict=True):
        score, label, mask = (member.part("val", name) for name in ("score", "label", "mask"))
        coded = mask[:, 0]
        called, truth = score[coded].argmax(1), label[coded].argmax(1)
        recall = np.array([(called[truth == c] == c).mean() for c in range(len(CLASSES))])
        np.testing.assert_allclose(row, recall / _sum_of_recalls(group), rtol=1e-9)
    names = [member.record["name"] for member in group]
    assert weights[names.index("a"), 0] > 2 * weights[names.index("b"), 0]
    whole = vote_weights(group, "validation")
    assert (whole == whole[:, :1]).all()
    np.testing.assert_allclose(vote_weights(group, "uniform"), 1 / 3)
    assert not np.allclose(vote_weights(group, "class-training"), weights)


def _sum_of_recalls(group: list[Any]) -> np.ndarray[Any, Any]:
    total = np.zeros(len(CLASSES))
    for member in group:
        score, label, mask = (member.part("val", name) for name in ("score", "label", "mask"))
        coded = mask[:, 0]
        called, truth = score[coded].argmax(1), label[coded].argmax(1)
        total += [(called[truth == c] == c).mean() for c in range(len(CLASSES))]
    return total


def test_an_ensemble_is_a_row_of_the_report(root: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = root / "text001"
    assert main([str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "avg_all" in printed and "all_models" in printed and "4 runs" in printed
    records = [run.read() for run in ledger(folder)]
    assert sorted(record["name"] for record in records) == sorted([*"abc", "avg_all", "all_models"] * 2)
    assert report([str(folder), "--out", str(tmp_path / "report")]) == 0
    table = capsys.readouterr().out
    assert "all_models" in table and "cannot be read" not in table
    assert main([str(folder)]) == 0  # ensembles are no members: the same runs again, in place
    assert len(ledger(folder)) == len(records)


def test_the_same_members_give_the_same_bytes(root: Path) -> None:
    runs = [run for run in ledger(root) if run.read()["fold"] == 1]
    files = ("predictions.npz", "counts.npz")
    (first,) = write_ensembles(runs, ["class"], "vote")
    before = [(first.path / file).read_bytes() for file in files]
    (again,) = write_ensembles(runs[::-1], ["class"], "vote")
    assert first.path == again.path
    assert before == [(again.path / file).read_bytes() for file in files]


def test_action_units_combine_too(tmp_path: Path) -> None:
    runs = [write_run(tmp_path, name) for name in ("a", "b")]
    for run in runs:  # as training writes them
        kept = run.arrays("predictions.npz")
        assert "test/index" in kept and "test/group" in kept
        of_its_own = {"test/jaa/landmark_error": np.ones(len(kept["test/index"]))}
        np.savez(run.path / "predictions.npz", **kept, **of_its_own)
    group = members(runs)[1, 0]
    (run,) = write_ensembles(runs, ["uniform"])
    arrays = run.arrays("predictions.npz")
    score = arrays["test/au/score"]
    assert not any("landmark" in key for key in arrays)
    mean = (group[0].part("test", "score").astype(float) + group[1].part("test", "score").astype(float)) / 2
    np.testing.assert_allclose(score, mean, atol=1e-7)
    assert run.read()["metrics"]["test/f1_macro"] > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop_set": {"id": "other", "name": "faces"}}, "other crop sets"),
        ({"protocol": "loso"}, "other protocols"),
        ({"folds": 5}, "other numbers of folds"),
        ({"threshold": 0.25}, "other thresholds"),
        ({"classes": ("neutral", "anger", "happiness", "fear")}, "other labels"),
        ({"frames": 29}, "other samples or labels"),
        ({"name": "a", "experiment": "elsewhere"}, "2 runs named 'a'"),
        ({"status": "interrupted"}, "is not finished"),
        ({"task": "va"}, "kept no scores of its test fold"),
        ({"fold": 2}, "has one run"),
    ],
)
def test_runs_that_do_not_belong_together(
    tmp_path: Path, change: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_expression_run(tmp_path, "a")
    write_expression_run(tmp_path, **({"name": "b"} | change))
    before = sorted(tmp_path.rglob("*"))
    assert main([str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before] == []


def test_bad_calls(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(root / "text001")
    for arguments, message in (
        ([folder, "--rows", "a"], "an ensemble needs two or more"),
        ([folder, "--rows", "a", "z"], "no run named has the row 'z'"),
        ([folder, "--name", "x"], "give one rule with it"),
        ([folder, "--name", "a", "--weights", "uniform"], "is that of a member"),
        ([str(root / "nothing")], "is not a folder"),
    ):
        assert main(arguments) == 2
        assert message in capsys.readouterr().err


def test_a_rule_needs_its_scores(tmp_path: Path) -> None:
    runs = [write_expression_run(tmp_path, name, validation=False) for name in "ab"]
    group = members(runs)[1, 0]
    for rule, way_out in (("class", "a validation part"), ("class-training", "--score_training")):
        with pytest.raises(FauError, match=way_out):
            vote_weights(group, rule)
    (run,) = write_ensembles(runs, ["uniform"])
    assert "val/expression/score" not in run.arrays("predictions.npz")


def test_a_missing_member_of_a_fold_is_named(root: Path) -> None:
    runs = [run for run in ledger(root) if run.path.name != "c-s0-f2"]
    with pytest.raises(FauError, match=r"fold 2, seed 0 has no run of c"):
        members(runs)
