"""A real program, killed again and again, ends with the bytes of one that never was."""

from __future__ import annotations

import contextlib
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


def kill_on_the_way(root: Path, out: Path, how: signal.Signals, delay: float) -> int:
    """Start the program, end it once it has finished some more, and return its exit status."""
    unfinished = out.parent / f".{out.name}.partial"
    process = subprocess.Popen(command(root, out, 2), start_new_session=True, stderr=subprocess.PIPE, text=True)
    before, deadline = finished(unfinished), time.monotonic() + 300
    while process.poll() is None and finished(unfinished) <= before:
        assert time.monotonic() < deadline, "it finished nothing"
        time.sleep(0.005)
    time.sleep(delay)
    process.send_signal(how)  # nothing, where it has ended meanwhile
    _, errors = process.communicate(timeout=300)
    assert "Traceback" not in errors
    deadline = time.monotonic() + 120
    while alive(process.pid):
        assert time.monotonic() < deadline, f"it left {alive(process.pid)}"
        time.sleep(0.05)
    return process.returncode


def finished(unfinished: Path) -> int:
    with contextlib.suppress(FileNotFoundError):  # removed while it is looked through
        return len(list(unfinished.glob("jobs/*.json")))
    return 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_killed_program_goes_on(root: Path, tmp_path: Path, whole: dict[str, bytes], how: signal.Signals) -> None:
    ended = -how if how == signal.SIGKILL else 128 + how
    for attempt in range(10):  # on a machine that stalls, it may be done before the first kill
        out = tmp_path / str(attempt) / "out"
        out.parent.mkdir()
        unfinished = out.parent / ".out.partial"
        status = kill_on_the_way(root, out, how, 0.0)
        assert status in (ended, 0) or (out.exists() and status == -how)  # done, and hit as Python was taken down
        if not out.exists():
            break
    else:
        pytest.fail("it was done before the first kill in ten attempts")
    jobs = [finished(unfinished)]
    assert jobs[0] > 0  # what is finished is kept
    for delay in (0.2, 0.5, 1.0):
        status = kill_on_the_way(root, out, how, delay)
        assert status in (ended, 0) or (out.exists() and status == -how)
        if out.exists():
            break
        jobs.append(finished(unfinished))
    assert jobs == sorted(jobs)
    subprocess.run(command(root, out, 2), check=not out.exists(), timeout=300)
    assert contents(out) == whole
    assert not unfinished.exists()
