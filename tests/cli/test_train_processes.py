"""fau-train as real processes: DDP, signals, kill -9."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from fau.cli.train import main
from fau.runs import RunDirectory, ledger

pytestmark = pytest.mark.slow
PROGRAM = str(Path(sys.executable).with_name("fau-train"))


def _finish(arguments: list[str], environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=900, env=dict(os.environ) | (environment or {})
    )


def _is_there(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


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
    for attempt in range(10):  # where this process stalls, all four epochs may be over before it looks again
        runs = tmp_path / str(attempt)
        arguments = [*tiny_args, "--trainer.max_epochs", "4", "--fold", "2", "--runs", str(runs)]
        process = subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        deadline = time.monotonic() + 300
        while not list(runs.glob("*/*/checkpoints/last.ckpt")) and process.poll() is None:
            assert time.monotonic() < deadline, "no epoch came to its end"
            time.sleep(0.01)
        process.send_signal(number)
        output, _ = process.communicate(timeout=300)
        if process.returncode != 0:
            break
    assert process.returncode == status, output
    assert "Traceback" not in output
    (run,) = ledger(runs)
    assert run.status == "interrupted"
    finished = _finish(arguments)
    assert finished.returncode == 0, finished.stderr
    assert "goes on from its last epoch" in finished.stdout
    want, got = undisturbed.arrays("predictions.npz"), run.arrays("predictions.npz")
    assert want.keys() == got.keys()
    assert all(np.array_equal(want[key], got[key]) for key in want)


@pytest.mark.timeout(2400)
def test_two_processes_lose_one_and_train_one_run(tiny_args: list[str], tmp_path: Path) -> None:
    ddp = ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
    words = [*tiny_args, "--fold", "2", "--trainer.max_epochs", "12"]
    for attempt in range(10):  # where this process stalls, all epochs may be over before it looks again
        runs = ["--runs", str(tmp_path / str(attempt))]
        process = subprocess.Popen([PROGRAM, *words, *ddp, *runs], stderr=subprocess.PIPE, text=True)
        first, deadline = psutil.Process(process.pid), time.monotonic() + 900
        while not list(tmp_path.glob(f"{attempt}/*/*/checkpoints/last.ckpt")) and process.poll() is None:
            assert time.monotonic() < deadline, "no epoch came to its end"
            time.sleep(0.01)
        with contextlib.suppress(psutil.Error, StopIteration):  # over already
            others = first.children(recursive=True)
            next(other for other in others if other.environ().get("LOCAL_RANK") == "1").kill()
        _, said = process.communicate(timeout=900)
        if process.returncode != 0:
            break
    (run,) = ledger(tmp_path / str(attempt))
    assert process.returncode == 1
    assert said.count("process 2 of 2 was killed by SIGKILL; the same command goes on from the last epoch") == 1
    assert "Traceback" not in said and run.status == "interrupted"
    deadline = time.monotonic() + 900
    while any(map(_is_there, others)):  # W&B's own find out by themselves
        assert time.monotonic() < deadline, "a process stays behind"
        time.sleep(0.05)
    finished = _finish([*words, *ddp, *runs])
    assert finished.returncode == 0, finished.stderr
    assert "goes on from its last epoch" in finished.stdout
    record = run.read()
    assert record["status"] == "done"
    assert record["processes"] == 2
    assert record["sizes"]["test"] == len(run.arrays("predictions.npz")["test/index"])
    logs = list(run.path.glob("wandb/offline-run-*/run-*.wandb"))
    assert any(log.stat().st_size > 1000 for log in logs)
    assert main([*words, *runs]) == 0
    assert run.read() == record  # done already: devices do not decide which run it is


def test_no_key_reaches_the_run_directory(tiny_args: list[str], tmp_path: Path) -> None:
    key = "0123456789abcdef0123456789abcdef01234567"
    arguments = [*tiny_args, "--trainer.max_epochs", "1", "--runs", str(tmp_path), "--wandb", "offline"]
    finished = _finish(arguments, {"WANDB_API_KEY": key})
    assert finished.returncode == 0, finished.stderr
    assert key not in finished.stdout + finished.stderr
    files = [file for file in tmp_path.rglob("*") if file.is_file() and not file.is_symlink()]
    assert json.loads(next(tmp_path.glob("*/*/run.json")).read_text())["status"] == "done"
    assert not [file for file in files if key.encode() in file.read_bytes()]
