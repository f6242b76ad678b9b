"""The commands of README's table of corpora, word for word, on the fake trees."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from faces import Faces

from fau.cli.data import main
from fau.cli.train import main as train
from fau.corpora.registry import corpora
from fau.crops.store import CropSet

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", list(corpora()))
def test_prepare_as_printed(
    name: str, faces: Faces, face_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the real detector where the corpus has no landmarks.

    The fake trees are all faults, so the share that may be lost is raised.
    """
    printed = re.search(rf"\| `fau-data (prepare {name} RAW OUT)` \|", README)
    assert printed is not None
    monkeypatch.chdir(tmp_path)
    Path("RAW").mkdir()
    import_module(f"trees.{name}").build(Path("RAW"), faces)
    assert main([*printed[1].split(), "--max-lost", "0.95"]) == 0
    assert main(["check", "OUT"]) == 0
    assert len(CropSet.open("OUT")) > 0


@pytest.mark.parametrize(
    ("experiment", "corpus", "more"),
    [
        ("expression", "rafdb", []),
        pytest.param("va", "affwild2", ["--task", "va"], marks=pytest.mark.slow),
    ],
)
def test_the_commands_of_other_tasks_as_printed(
    experiment: str, corpus: str, more: list[str], faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """README's commands, on trees of the owners; smaller crops and one epoch are added at their ends."""
    printed = re.search(
        rf"^\$ fau-train (--config experiments/{experiment}.yaml --data.crop_set OUT .+)$", README, re.M
    )
    assert printed is not None
    raw, out = tmp_path / "RAW", tmp_path / "OUT"
    raw.mkdir()
    import_module(f"trees.{corpus}").build(raw, faces)
    small = ["--size", "32", "--workers", "0", "--max-lost", "0.95"]
    assert main(["prepare", corpus, str(raw), str(out), *more, *small]) == 0
    monkeypatch.chdir(Path(__file__).parents[2])
    words = [str(out) if word == "OUT" else word for word in printed[1].split()]
    words += ["--model.net.input_size", "32", "--data.batch_size", "8", "--trainer.max_epochs", "1"]
    words += ["--wandb", "disabled", "--trainer.accelerator", "cpu", "--runs", str(tmp_path / "runs")]
    assert train(words) == 0
