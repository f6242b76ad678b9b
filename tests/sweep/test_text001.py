"""Text 001's table and votes on corpora of expressions, prepared from trees in their owners' layouts."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fau.cli.sweep import main as sweep
from fau.runs import ledger

Prepared = Callable[[str], Path]
ROOT = Path(__file__).parents[2]
PRINTED = (ROOT / "docs" / "expressions.md").read_text(encoding="utf-8")
ROWS = ["DenseNet", "ResNet", "landmark transformer"]  # two of the nine, and the one that needs landmarks
TINY = ["--trainer.max_epochs=1", "--data.batch_size=8", "--trainer.limit_train_batches=1", "--wandb=disabled"]
REFUSAL = "has no landmarks, so data.landmarks cannot be 68"


@pytest.mark.slow
@pytest.mark.parametrize(("corpus", "landmarks"), [("rafdb", False), ("affectnet", True), ("fer2013", False)])
def test_the_printed_line_makes_the_table_and_the_votes(
    corpus: str, landmarks: bool, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """Two networks vote; the landmark transformer joins them, or says why it cannot."""
    crops, runs = prepared(corpus), tmp_path / "runs"
    monkeypatch.chdir(ROOT)
    content = yaml.safe_load((ROOT / "sweeps" / "text001-tiny.yaml").read_text())
    overlays = content["parameters"]["config"]["values"]
    chosen = [overlay for overlay in overlays if _name(overlay) in ROWS]
    content["parameters"] |= {"config": {"values": chosen}, "fold": {"value": 1}}
    small = tmp_path / "text001-tiny.yaml"
    small.write_text(yaml.safe_dump(content))
    printed = re.search(rf"fau-sweep sweeps/text001\.yaml (.* {corpus.upper()}_CROPS.*)", PRINTED)
    assert printed is not None
    words = [str(crops) if word.endswith("_CROPS") else word for word in printed[1].split()]
    status = sweep(
        [str(small), "--runs", str(runs), "--jobs", "1", "--retries", "0", *words, *TINY, "--trainer.accelerator=cpu"]
    )
    said = " ".join(capfd.readouterr().out.split())
    assert status == (0 if landmarks else 1), said
    assert (REFUSAL in said) == (not landmarks)
    records = [run.read() for run in ledger(runs)]
    members = ROWS if landmarks else ROWS[:2]
    done = [record for record in records if record["status"] == "done"]
    assert sorted(r["name"] for r in done if "members" not in r) == members
    votes = [record for record in done if "members" in record]
    assert sorted(record["name"] for record in votes) == ["all_models", "avg_all"]
    assert all(len(record["members"]) == len(members) for record in votes)
    report = runs / "text001-tiny" / "report" / "report.csv"
    rows = {line["row"]: line for line in csv.DictReader(report.read_text().splitlines())}
    assert {*members, "avg_all", "all_models"} == set(rows)


def test_readme_prints_one_of_the_lines() -> None:
    (words,) = re.findall(r"fau-sweep sweeps/text001\.yaml (--ensemble -- .*RAFDB_CROPS.*)", PRINTED)
    assert f"fau-sweep sweeps/text001-tiny.yaml {words}\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def _name(overlay: str) -> str:
    return str(yaml.safe_load((ROOT / overlay).read_text())["name"])
