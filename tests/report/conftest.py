from __future__ import annotations

from pathlib import Path

import pytest
from fake_runs import write_ablation


@pytest.fixture(scope="session")
def ablation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of five rows over three folds; not to be changed."""
    root = tmp_path_factory.mktemp("runs")
    write_ablation(root, published=["bp4d"])
    return root
