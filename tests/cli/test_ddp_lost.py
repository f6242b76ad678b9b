"""A process of a DDP group that is lost takes the others along, at once, with one sentence."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.distributed import TCPStore

from fau.launched import LAUNCHER
from fau.modules import launcher
from fau.modules.launcher import WatchedLauncher

pytestmark = pytest.mark.slow

# Another process of the group: binds its life to the first one's, says that it is there, and does what it is told.
OTHER = """
import sys, time
from pathlib import Path
from fau.launched import end_with_launcher
end_with_launcher()
Path(sys.argv[1]).write_text(str(__import__("os").getpid()))
{what}
"""


class Group(WatchedLauncher):
    """A launcher whose other processes are small ones."""

    def __init__(self, folder: Path, others: list[str]) -> None:
        environment = LightningEnvironment()
        super().__init__(_SubprocessScriptLauncher(environment, len(others) + 1, 1), (folder / "lost").touch)
        self._folder, self._others = folder, others

    def _call_children_scripts(self) -> None:
        for rank, what in enumerate(self._others, start=1):
            command = [sys.executable, "-c", OTHER.format(what=what), str(self._folder / f"pid-{rank}")]
            self.procs.append(subprocess.Popen(command, env=os.environ | {"LOCAL_RANK": str(rank)}))


def _first(folder: Path, others: list[str], body: Callable[[], None]) -> None:
    """Be the first process; what it prints goes to a file."""
    for name in ("LOCAL_RANK", LAUNCHER):
        os.environ.pop(name, None)
    handle = os.open(folder / "said", os.O_WRONLY | os.O_CREAT)
    os.dup2(handle, 2)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    Group(folder, others).launch(body)


def start(folder: Path, others: list[str], body: Callable[[], None]) -> Any:
    process = multiprocessing.get_context("fork").Process(target=_first, args=(folder, others, body))
    process.start()
    return process


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def pids(folder: Path, number: int) -> list[int]:
    files = [folder / f"pid-{rank}" for rank in range(1, number + 1)]
    wait_for(lambda: all(file.exists() and file.read_text() for file in files))
    return [int(file.read_text()) for file in files]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before, or while it was read
        return False


def hang() -> None:
    time.sleep(600)


def connection_closed() -> None:
    """Fail as gloo does, before anybody can know why."""
    raise RuntimeError("Connection closed by peer")


FOREVER = "time.sleep(600)"
FORKED = "import multiprocessing as m; w = m.get_context('fork').Process(target=time.sleep, args=(600,)); w.start();"
FORKED += " w.terminate(); w.join()"


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a slow machine take its time to end a process."""
    monkeypatch.setattr(launcher, "_SEEN", 300.0)


def test_a_killed_process_ends_the_group(tmp_path: Path) -> None:
    first = start(tmp_path, [FOREVER] * 3, hang)
    others = pids(tmp_path, 3)
    os.kill(others[1], signal.SIGKILL)
    first.join(120)
    assert first.exitcode == 1
    wait_for(lambda: not any(map(alive, others)))
    sentence = "process 3 of 4 was killed by SIGKILL; the same command goes on from the last epoch"
    assert (tmp_path / "said").read_text() == f"fau-train: error: {sentence}\n"
    assert (tmp_path / "lost").exists()


@pytest.mark.usefixtures("_patient")
def test_what_the_loss_breaks_in_the_first_process_is_not_said(tmp_path: Path) -> None:
    first = start(tmp_path, ["__import__('os').abort()"], connection_closed)
    first.join(120)
    assert first.exitcode == 1
    said = (tmp_path / "said").read_text()
    assert "process 2 of 2 was killed by SIGABRT" in said and "Traceback" not in said


@pytest.mark.usefixtures("_patient")
def test_an_error_of_another_process_ends_the_group(tmp_path: Path) -> None:
    first = start(tmp_path, ["sys.exit('it has a reason of its own')"], connection_closed)
    first.join(120)
    assert first.exitcode == 1
    said = (tmp_path / "said").read_text().splitlines()
    assert said[0] == "it has a reason of its own"
    assert "process 2 of 2 ended with status 1" in said[1] and len(said) == 2


def test_a_killed_first_process_leaves_none_behind(tmp_path: Path) -> None:
    first = start(tmp_path, [FOREVER] * 2, hang)
    others = pids(tmp_path, 2)
    first.kill()
    first.join(120)
    wait_for(lambda: not any(map(alive, others)))


def test_an_error_of_the_first_process_is_its_own_to_say(tmp_path: Path) -> None:
    def wrong() -> None:
        pids(tmp_path, 1)
        raise ValueError("wrong")

    first = start(tmp_path, [FOREVER], wrong)
    first.join(120)
    assert first.exitcode == 1
    said = (tmp_path / "said").read_text()
    assert "ValueError: wrong" in said and "process 2 of 2" not in said
    wait_for(lambda: not any(map(alive, pids(tmp_path, 1))))


def test_a_group_that_is_told_to_end_ends_by_its_first_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LAUNCHER, str(os.getpid()))
    group = Group(tmp_path, [FOREVER])
    group._call_children_scripts()
    (other,) = pids(tmp_path, 1)
    blocked = int(Path(f"/proc/{other}/status").read_text().split("SigBlk:")[1].split()[0], 16)
    wanted = sum(1 << (number - 1) for number in (signal.SIGINT, signal.SIGTERM))
    assert blocked & wanted == wanted
    group.procs[0].kill()
    workers = Group(tmp_path, [FORKED])
    workers._call_children_scripts()
    assert workers.procs[0].wait(120) == 0  # its own workers can be told to end
    with pytest.raises(SIGTERMException):
        group.kill(signal.SIGTERM)
    assert group.procs[0].wait(120) == -signal.SIGKILL


def test_processes_that_end_well_are_no_loss(tmp_path: Path) -> None:
    def well() -> None:
        pids(tmp_path, 2)
        time.sleep(5 * launcher._LOOK)

    first = start(tmp_path, ["pass", "pass"], well)
    first.join(120)
    assert first.exitcode == 0
    assert (tmp_path / "said").read_text() == ""


@pytest.mark.parametrize(("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_a_signal_is_heard_where_the_first_process_waits_outside_python(
    number: signal.Signals, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "_DEAF", {number: (1.0, word)})

    def wait() -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        (tmp_path / "waits").touch()
        while True:  # it may be told before it waits
            with contextlib.suppress(KeyboardInterrupt):
                TCPStore("127.0.0.1", 0, 2, is_master=True, timeout=timedelta(seconds=600))  # as torch waits

    first = start(tmp_path, [FOREVER], wait)
    others = pids(tmp_path, 1)
    wait_for((tmp_path / "waits").exists)
    os.kill(first.pid, number)
    first.join(120)
    assert first.exitcode == 128 + number
    assert (tmp_path / "said").read_text() == f"fau-train: {word}; the same command goes on from the last epoch\n"
    assert (tmp_path / "lost").exists()
    wait_for(lambda: not any(map(alive, others)))
