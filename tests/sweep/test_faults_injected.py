"""Three of the faults that benchmarks/faults.py injects into real sweeps; docs/faults.md has all of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "faults.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sweeps lie, so that all are compared with one that nothing happened to."""
    return tmp_path_factory.mktemp("faults")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["trial", "runner", "damage"])
@pytest.mark.usefixtures("tiny_cropset")
def test_the_next_call_ends_as_if_nothing_had_happened(kind: str, folder: Path) -> None:
    command = [sys.executable, str(BENCHMARK), "--kinds", f"{kind}=1", "--folder", str(folder)]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    row = json.loads(finished.stdout)
    assert row["withstood"] and row["times"] >= 1
