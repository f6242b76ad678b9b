"""What the tests of prepare share: a small corpus that is cut into three jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_corpus import RESIZE, Toy, build, contents

import fau.crops.jobs
from fau.crops.prepare import prepare


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The corpus's folder; its six sequences of ten pictures make three jobs."""
    monkeypatch.setattr(fau.crops.jobs, "_SMALLEST", 20)
    return build(tmp_path / "raw")


@pytest.fixture
def whole(root: Path, tmp_path: Path) -> dict[str, bytes]:
    """The crop set as one process makes it at one go."""
    prepare(Toy(root), tmp_path / "whole", RESIZE, 0)
    return contents(tmp_path / "whole")
