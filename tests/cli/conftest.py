"""What the tests of fau-train share: a command line small enough for a test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TINY = [
    *("--model.net.input_size", "32", "--data.batch_size", "32", "--data.folds", "3"),
    *("--trainer.max_epochs", "2", "--trainer.accelerator", "cpu"),
]


@pytest.fixture(scope="session")
def tiny_args(tiny_cropset: Path) -> list[str]:
    """Arguments of a fold that trains in seconds."""
    return ["--data.crop_set", str(tiny_cropset), *TINY]


@pytest.fixture
def only_run() -> Callable[[Path], tuple[Path, dict[str, Any]]]:
    """Return the one run under a folder and its record."""

    def find(root: Path) -> tuple[Path, dict[str, Any]]:
        (file,) = root.glob("*/*/run.json")
        return file.parent, json.loads(file.read_text())

    return find


@pytest.fixture(scope="session")
def trained(tiny_args: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of fold 2, to be read and never changed."""
    from fau.cli.train import main

    root = tmp_path_factory.mktemp("trained")
    assert main([*tiny_args, "--fold", "2", "--runs", str(root)]) == 0
    return root
