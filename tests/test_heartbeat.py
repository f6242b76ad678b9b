"""Who holds a folder, with processes that stand for machines whose locks do not reach each other."""

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fau import heartbeat
from fau.errors import FauError
from fau.heartbeat import Hold

# Holds a folder as another machine: no lock of the operating system's, a name of its own, a heart that beats quickly.
HOLDER = """
import sys, time
from pathlib import Path
from fau import heartbeat

class NoLock:
    is_locked = False
    def __init__(self, path): pass
    def acquire(self, timeout): pass
    def release(self): pass

heartbeat.BEAT, heartbeat.MISSED, heartbeat.SETTLE = 0.1, 8, 0.3
heartbeat.FileLock = NoLock
heartbeat.machine = lambda: sys.argv[2]
heartbeat.socket.gethostname = lambda: sys.argv[2]
try:
    with heartbeat.Hold(Path(sys.argv[1]), "run 'x' is being trained", "process").taken(0):
        print("held", flush=True)
        time.sleep(float(sys.argv[3]))
except Exception as error:
    print(error, flush=True)
    sys.exit(2)
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    processes = []

    def begin(machine: str, seconds: float = 60.0) -> "subprocess.Popen[str]":
        command = [sys.executable, "-W", "ignore", "-c", HOLDER, str(tmp_path), machine, str(seconds)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"BEAT": 0.1, "MISSED": 8, "SETTLE": 0.3}.items():
        monkeypatch.setattr(heartbeat, name, value)


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def hold(folder: Path) -> Hold:
    return Hold(folder, "run 'x' is being trained", "process")


def test_a_living_process_of_another_machine_is_left_alone(start: Start, tmp_path: Path) -> None:
    other = start("north")
    assert first_line(other) == "held"
    assert hold(tmp_path).is_held
    with (
        pytest.warns(UserWarning, match="machine 'north', or that was lost; waiting up to 1 s"),
        pytest.raises(FauError, match="by another process, on machine 'north'; wait for it or stop it"),
        hold(tmp_path).taken(0),
    ):
        pass
    assert other.poll() is None


def test_a_process_that_ended_well_leaves_nothing(start: Start, tmp_path: Path) -> None:
    other = start("north", 0.5)
    assert other.wait(30) == 0
    assert [file.name for file in tmp_path.iterdir()] == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with hold(tmp_path).taken(0):
            assert (tmp_path / ".heartbeat").exists()
    assert [file.name for file in tmp_path.iterdir() if file.name != ".lock"] == []


def test_a_process_killed_on_another_machine_is_waited_out_and_replaced(start: Start, tmp_path: Path) -> None:
    other = start("north")
    assert first_line(other) == "held"
    other.kill()
    other.wait()
    assert hold(tmp_path).is_held  # as far as can be told at once
    began = time.monotonic()
    with pytest.warns(UserWarning, match="sign of life"), hold(tmp_path).taken(0):
        assert time.monotonic() - began >= heartbeat.BEAT * heartbeat.MISSED
        third = start("south")
        assert "on machine" in first_line(third)
        assert third.wait(30) == 2
    assert not hold(tmp_path).is_held


def test_a_process_killed_on_this_machine_is_replaced_at_once(start: Start, tmp_path: Path) -> None:
    other = start(heartbeat.machine())
    assert first_line(other) == "held"
    other.kill()
    other.wait()
    began = time.monotonic()
    assert not hold(tmp_path).is_held
    with hold(tmp_path).taken(0):
        assert time.monotonic() - began < heartbeat.BEAT * heartbeat.MISSED / 2


def test_machines_that_ask_at_the_same_moment_do_not_both_get_it(start: Start, tmp_path: Path) -> None:
    others = [start(name, 4.0) for name in ("north", "south", "west")]
    assert sorted(map(first_line, others))[0] == "held"
    assert sorted(other.wait(30) for other in others) == [0, 2, 2]


def test_machines_that_take_over_at_the_same_moment_do_not_both_get_it(start: Start, tmp_path: Path) -> None:
    dead = start("east")
    assert first_line(dead) == "held"
    dead.kill()
    dead.wait()
    others = [start(name, 4.0) for name in ("north", "south", "west")]
    assert sorted(other.wait(30) for other in others) == [0, 2, 2]


def test_a_process_that_stood_still_and_was_replaced_ends(start: Start, tmp_path: Path) -> None:
    asleep = start("north")
    assert first_line(asleep) == "held"
    os.kill(asleep.pid, signal.SIGSTOP)
    with pytest.warns(UserWarning, match="sign of life"), hold(tmp_path).taken(0):
        os.kill(asleep.pid, signal.SIGCONT)
        assert asleep.wait(30) == -signal.SIGTERM  # a program that takes SIGTERM says why it ends
        assert (tmp_path / ".heartbeat").exists()


def test_who_was_replaced_says_so(tmp_path: Path) -> None:
    ended = []
    before = signal.signal(signal.SIGTERM, lambda *_: ended.append("asked to end"))
    try:
        with (
            pytest.raises(FauError, match="on machine 'north', which took it over while this process stood still"),
            hold(tmp_path).taken(0),
        ):
            entry = '{"machine": "n", "host": "north", "name": "other", "beat": 0}'
            (tmp_path / ".heartbeat").write_text(entry)
            time.sleep(0.5)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended == ["asked to end"]
    assert (tmp_path / ".heartbeat").read_text() == entry


def test_a_heartbeat_that_holds_nothing_readable_is_waited_out(tmp_path: Path) -> None:
    (tmp_path / ".heartbeat").touch()
    with pytest.warns(UserWarning, match=r"machine '\?'"), hold(tmp_path).taken(0):
        pass


def test_a_heartbeat_that_cannot_be_written_does_not_end_the_work(tmp_path: Path) -> None:
    with hold(tmp_path).taken(0):
        (tmp_path / ".heartbeat").unlink()
        (tmp_path / ".heartbeat").mkdir()
        time.sleep(0.3)
        (tmp_path / ".heartbeat").rmdir()
        time.sleep(0.3)
        assert (tmp_path / ".heartbeat").is_file()
