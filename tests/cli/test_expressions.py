"""Expressions from end to end: train, test, table, report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from fau.cli.report import main as report
from fau.cli.train import main
from fau.crops.store import CropSet
from fau.labels import EXPRESSION_SETS, EXPRESSIONS
from fau.losses import masked_cross_entropy
from fau.metrics import expression_metrics
from fau.runs import RunDirectory, ledger

CONFIG = str(Path(__file__).parents[2] / "experiments" / "expression.yaml")


@pytest.fixture(scope="module")
def trained(tiny_args: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished folds of the expression experiment."""
    root = tmp_path_factory.mktemp("expressions")
    for fold in ("1", "2"):
        assert main(["--config", CONFIG, *tiny_args, "--fold", fold, "--wandb", "disabled", "--runs", str(root)]) == 0
    return root


def test_only_frames_that_show_a_class_are_scored(trained: Path, tiny_cropset: Path) -> None:
    run = ledger(trained)[0]
    record, kept = run.read(), run.arrays("predictions.npz")
    assert record["task"] == "expression" and record["threshold"] is None
    assert record["labels"] == list(EXPRESSION_SETS["affectnet8"]) == kept["labels/expression"].tolist()
    shown = CropSet.open(tiny_cropset).manifest["expression"].to_list()
    rows = kept["test/index"]
    assert all(shown[row] for row in rows)
    assert [EXPRESSIONS[i] for i in kept["test/expression/label"].argmax(1)] == [shown[row] for row in rows]
    np.testing.assert_allclose(kept["test/expression/score"].sum(1), 1, atol=1e-5)


def test_counts_call_one_class_a_frame(trained: Path) -> None:
    run = ledger(trained)[0]
    counts, record = run.arrays("counts.npz"), run.read()
    frames = record["sizes"]["test"]
    assert (counts["tp"] + counts["fp"]).sum() == (counts["tp"] + counts["fn"]).sum() == frames
    assert record["metrics"]["test/accuracy"] == pytest.approx(counts["tp"].sum() / frames, abs=1e-6)


def test_the_report_speaks_of_expressions(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report([str(trained), "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "F1 of each expression" in printed and "action unit" not in printed
    counts = [RunDirectory(run.path).arrays("counts.npz") for run in ledger(trained)]
    right = sum(c["tp"].sum() for c in counts) / sum((c["tp"] + c["fn"]).sum() for c in counts)
    assert f"{100 * right:.1f}" in printed


def test_undersampling_evens_the_classes(tiny_args: list[str], tmp_path: Path) -> None:
    arguments = ["--config", CONFIG, *tiny_args, "--data.undersample", "classes", "--trainer.max_epochs", "1"]
    assert main([*arguments, "--wandb", "disabled", "--runs", str(tmp_path)]) == 0
    kept = ledger(tmp_path)[0].read()["kept"]
    of = {name: kept[name]["of"] for name in EXPRESSION_SETS["affectnet8"]}
    assert {kept[name]["kept"] for name in of} == {min(of.values())}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data.label_set", "bp4d12"], "holds action units; set data.label_set to one of expressions"),
        (["--data.label_set", "basic9"], "'basic9' is unknown"),
        (["--model.label_smoothing", "2"], "label_smoothing 2"),
        (["--model.label_set", "basic7"], "set --data.label_set instead"),
    ],
)
def test_wrong_sets_are_refused(
    arguments: list[str], said: str, tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", CONFIG, *tiny_args, *arguments, "--runs", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_action_units_are_not_trained_on_expressions(
    tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*tiny_args, "--data.label_set", "basic7", "--runs", str(tmp_path)]) == 2
    assert "holds expressions" in capsys.readouterr().err


def test_metrics_by_hand() -> None:
    score = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.1, 0.2, 0.7]], np.float32)
    label = np.eye(3, dtype=np.int8)[[0, 0, 1, 1]]
    mask = np.ones_like(label, bool)
    values = expression_metrics(score, label, mask, ["a", "b", "c"])
    assert values["accuracy"] == 0.25
    assert values["recall/a"] == 0.5 and values["recall/b"] == 0.0 and "recall/c" not in values
    assert values["recall_macro"] == 0.25
    assert values["f1/a"] == 0.5 and values["f1_macro"] == 0.25  # a: one hit, of two equal scores the first counts
    mask[3] = False
    assert expression_metrics(score, label, mask, ["a", "b", "c"])["accuracy"] == pytest.approx(1 / 3)


def test_weighted_cross_entropy_is_torchs() -> None:
    torch.manual_seed(0)
    logits, target, weight = torch.randn(16, 5), torch.randint(-1, 5, (16,)), torch.rand(5) + 0.5
    for smoothing in (0.0, 0.1):
        ours = masked_cross_entropy(logits, target, class_weight=weight, smoothing=smoothing).mean()
        torchs = functional.cross_entropy(logits, target, weight, ignore_index=-1, label_smoothing=smoothing)
        torch.testing.assert_close(ours, torchs)
    nothing = masked_cross_entropy(logits, torch.full((16,), -1), class_weight=weight)
    assert nothing.mean() == 0
