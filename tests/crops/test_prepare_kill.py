"""A real program, killed again and again, ends with the bytes of one that never was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from fau.crops.store import check

pytestmark = pytest.mark.slow

PICTURES = 3000
CLASSES = ("happiness", "neutral", "sadness")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one sub-folder a class, large enough for some seconds of work."""
    folder = tmp_path_factory.mktemp("kill") / "raw"
    rng = np.random.default_rng(0)
    for i in range(PICTURES):
        place = folder / CLASSES[i % 3]
        place.mkdir(parents=True, exist_ok=True)
        image = cv2.resize(rng.integers(0, 255, (9, 9, 3)).astype(np.uint8), (256, 256))
        cv2.imwrite(str(place / f"{i:05d}.jpg"), image)
    return folder


def command(root: Path, out: Path, workers: int) -> list[str]:
    settings = ["--size", "64", "--align", "resize", "--landmarks", "none", "--workers", str(workers), "--quiet"]
    return [sys.executable, "-m", "fau.cli.data", "prepare", "imagefolder", str(root), str(out), *settings]


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


def alive(group: int) -> list[int]:
    """Return the processes of a group that have not ended; a zombie, for want of an init, has."""
    left = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                left.append(process.pid)
        except ProcessLookupError:
            continue
    return left


@pytest.fixture(scope="module")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("kill") / "whole"
    subprocess.run(command(root, out, 0), check=True, timeout=300)
    assert check(out) == []
    return contents(out)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_killed_program_goes_on(root: Path, tmp_path: Path, whole: dict[str, bytes], how: signal.Signals) -> None:
    out = tmp_path / "out"
    unfinished = tmp_path / ".out.partial"
    jobs: list[int] = []
    for delay in (0.0, 0.2, 0.5, 1.0):
        process = subprocess.Popen(command(root, out, 2), start_new_session=True, stderr=subprocess.PIPE, text=True)
        before, deadline = len(list(unfinished.glob("jobs/*.json"))), time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if len(list(unfinished.glob("jobs/*.json"))) > before:  # work is under way
                break
            time.sleep(0.02)
        time.sleep(delay)
        process.send_signal(how)  # nothing, where it has ended meanwhile
        _, errors = process.communicate(timeout=120)
        assert "Traceback" not in errors
        ended = -how if how == signal.SIGKILL else 128 + how
        assert process.returncode in (ended, 0)  # 0: it was done before
        deadline = time.monotonic() + 20
        while (left := alive(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert left == []
        if out.exists():
            break
        jobs.append(len(list(unfinished.glob("jobs/*.json"))))
    assert jobs and jobs == sorted(jobs) and jobs[0] > 0  # what is finished is kept
    subprocess.run(command(root, out, 2), check=not out.exists(), timeout=300)
    assert contents(out) == whole
    assert not unfinished.exists()
