"""fau-train as real processes: DDP, signals, kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fau.runs import RunDirectory, ledger

pytestmark = pytest.mark.slow
PROGRAM = str(Path(sys.executable).with_name("fau-train"))


def _finish(arguments: list[str], environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=500, env=dict(os.environ) | (environment or {})
    )


@pytest.fixture(scope="module")
def undisturbed(tiny_args: list[str], tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    root = tmp_path_factory.mktemp("undisturbed")
    arguments = [*tiny_args, "--trainer.max_epochs", "4", "--fold", "2", "--runs", str(root)]
    assert _finish(arguments).returncode == 0
    (run,) = ledger(root)
    return run


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_stopped_process_resumes_to_the_same_predictions(
    number: signal.Signals, status: int, undisturbed: RunDirectory, tiny_args: list[str], tmp_path: Path
) -> None:
    arguments = [*tiny_args, "--trainer.max_epochs", "4", "--fold", "2", "--runs", str(tmp_path)]
    process = subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("*/*/checkpoints/last.ckpt")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == status, output
    assert "Traceback" not in output
    (run,) = ledger(tmp_path)
    assert run.status == "interrupted"
    finished = _finish(arguments)
    assert finished.returncode == 0, finished.stderr
    assert "goes on from its last epoch" in finished.stdout
    want, got = undisturbed.arrays("predictions.npz"), run.arrays("predictions.npz")
    assert want.keys() == got.keys()
    assert all(np.array_equal(want[key], got[key]) for key in want)


def test_two_processes_evaluate_to_the_digits_of_one(
    undisturbed: RunDirectory, tiny_cropset: Path, tmp_path: Path
) -> None:
    script = Path(__file__).with_name("ddp_evaluate.py")
    results = []
    for devices in (1, 2):
        out = tmp_path / f"{devices}.npz"
        command = [sys.executable, str(script), str(undisturbed.checkpoints / "best.ckpt"), str(tiny_cropset)]
        subprocess.run([*command, str(devices), str(out)], check=True, capture_output=True, timeout=500)
        results.append(dict(np.load(out)))
    one, two = results
    assert one.keys() == two.keys()
    assert len(one["index"]) == len(np.unique(one["index"]))
    for key in one:
        assert np.array_equal(one[key], two[key]), key


def test_two_processes_train_one_run(tiny_args: list[str], tmp_path: Path) -> None:
    arguments = [*tiny_args, "--fold", "2", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    finished = _finish([*arguments, "--runs", str(tmp_path)])
    assert finished.returncode == 0, finished.stderr
    (run,) = ledger(tmp_path)
    record = run.read()
    assert record["status"] == "done"
    assert record["processes"] == 2
    assert record["sizes"]["test"] == len(run.arrays("predictions.npz")["test/index"])
    (log,) = run.path.glob("wandb/offline-run-*/run-*.wandb")
    assert log.stat().st_size > 1000
    one = _finish([*tiny_args, "--fold", "2", "--runs", str(tmp_path)])
    assert "done already" in one.stdout  # devices do not decide the result


def test_no_key_reaches_the_run_directory(tiny_args: list[str], tmp_path: Path) -> None:
    key = "0123456789abcdef0123456789abcdef01234567"
    arguments = [*tiny_args, "--trainer.max_epochs", "1", "--runs", str(tmp_path), "--wandb", "offline"]
    finished = _finish(arguments, {"WANDB_API_KEY": key})
    assert finished.returncode == 0, finished.stderr
    assert key not in finished.stdout + finished.stderr
    files = [file for file in tmp_path.rglob("*") if file.is_file() and not file.is_symlink()]
    assert json.loads(next(tmp_path.glob("*/*/run.json")).read_text())["status"] == "done"
    assert not [file for file in files if key.encode() in file.read_bytes()]
