"""All tasks on two processes: the digits of one in evaluation, its gradients in training."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from relabelled import with_gaps

pytestmark = pytest.mark.slow


def test_two_processes_score_and_learn_as_one(tiny_cropset: Path, tmp_path: Path) -> None:
    gaps = with_gaps(tiny_cropset, tmp_path / "gaps")
    results = []
    for devices in (1, 2):
        out = tmp_path / f"{devices}.npz"
        command = [sys.executable, str(Path(__file__).with_name("ddp_multitask.py")), str(gaps), str(devices), str(out)]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=500)
        assert finished.returncode == 0, finished.stderr
        results.append(dict(np.load(out)))
    one, two = results
    assert one.keys() == two.keys() and {"exact/test/va/ccc_mean", "exact/test/mtl_score", "weigh.weight"} <= one.keys()
    for key in one:
        if key.startswith("exact/"):
            assert np.array_equal(one[key], two[key]), key
        else:
            np.testing.assert_allclose(two[key], one[key], atol=2e-6, rtol=1e-5, err_msg=key)
    assert np.abs(one["weigh.weight"]).max() < 10
