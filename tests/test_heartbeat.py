"""Who holds a folder, with processes that stand for machines whose locks do not reach each other."""

import contextlib
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
import sys
from pathlib import Path
from fau import heartbeat

class NoLock:
    is_locked = False
    def __init__(self, path): pass
    def acquire(self, timeout): pass
    def release(self): pass

heartbeat.BEAT, heartbeat.MISSED, heartbeat.SETTLE = float(sys.argv[3]), int(sys.argv[4]), 2.0
heartbeat.FileLock = NoLock
heartbeat.machine = lambda: sys.argv[2]
heartbeat.socket.gethostname = lambda: sys.argv[2]
try:
    with heartbeat.Hold(Path(sys.argv[1]), "run 'x' is being trained", "process").taken(0):
        print("held", flush=True)
        sys.stdin.readline()  # until it is told to end
except Exception as error:
    print(error, flush=True)
    sys.exit(2)
"""

Start = Callable[..., "subprocess.Popen[str]"]
LONG = 10_000  # beats: nobody who is only slow is taken for dead


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    processes = []

    def begin(machine: str, beat: float = 0.1, missed: int = LONG) -> "subprocess.Popen[str]":
        command = [sys.executable, "-W", "ignore", "-c", HOLDER, str(tmp_path), machine, str(beat), str(missed)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
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


def end(process: "subprocess.Popen[str]") -> int:
    """Tell a process to end, and return its exit status."""
    process.communicate("end\n", timeout=180)
    return process.returncode


def test_a_living_process_of_another_machine_is_left_alone(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "MISSED", LONG)
    other = start("north")
    assert first_line(other) == "held"
    assert hold(tmp_path).is_held
    with (
        pytest.warns(UserWarning, match="machine 'north', or that was lost; waiting up to 1000 s"),
        pytest.raises(FauError, match="by another process, on machine 'north'; wait for it or stop it"),
        hold(tmp_path).taken(0),
    ):
        pass
    assert other.poll() is None


def test_a_process_that_ended_well_leaves_nothing(start: Start, tmp_path: Path) -> None:
    other = start("north")
    assert first_line(other) == "held"
    assert end(other) == 0
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
        assert third.wait(180) == 2
    assert not hold(tmp_path).is_held


def test_a_process_killed_on_this_machine_is_replaced_at_once(start: Start, tmp_path: Path) -> None:
    other = start(heartbeat.machine())
    assert first_line(other) == "held"
    other.kill()
    other.wait()
    assert not hold(tmp_path).is_held
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # who waits warns of it
        with hold(tmp_path).taken(0):
            pass


def test_machines_that_ask_at_the_same_moment_do_not_both_get_it(start: Start, tmp_path: Path) -> None:
    others = [start(name) for name in ("north", "south", "west")]
    said = {other: first_line(other) for other in others}
    (holder,) = (other for other, word in said.items() if word == "held")
    assert [other.wait(180) for other in others if other is not holder] == [2, 2]
    assert end(holder) == 0


@pytest.mark.slow
def test_machines_that_take_over_at_the_same_moment_do_not_both_get_it(start: Start, tmp_path: Path) -> None:
    dead = start("east")
    assert first_line(dead) == "held"
    dead.kill()
    dead.wait()
    others = [start(name, missed=40) for name in ("north", "south", "west")]
    deadline = time.monotonic() + 180
    while sum(other.poll() is None for other in others) > 1:
        assert time.monotonic() < deadline, "more than one holds the folder"
        time.sleep(0.05)
    # On a machine that stands still for seconds one may get it, be replaced, and end by its own heart.
    assert all(other.returncode in (None, 2, -signal.SIGTERM) for other in others)
    (holder,) = (other for other in others if other.poll() is None)
    assert end(holder) == 0


def test_a_file_system_that_did_not_answer_makes_nobody_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hangs for longer than the patience, for the holder too, whose heart beats on afterwards."""
    file = tmp_path / ".heartbeat"
    entry = '{"machine": "n", "host": "north", "name": "other", "beat": 0}'
    file.write_text(entry)
    looks, left_alone, read = [], [], Hold._read

    def slow(self: Hold) -> bytes:
        looks.append("look")
        if len(looks) == 2:
            time.sleep(1.5 * heartbeat.BEAT * heartbeat.MISSED)
        if len(looks) == 3:
            left_alone.append(file.read_text() == entry)
            file.write_text(entry.replace("0", "1"))
        return read(self)

    monkeypatch.setattr(Hold, "_read", slow)
    with (
        pytest.warns(UserWarning, match="sign of life"),
        pytest.raises(FauError, match="by another process, on machine 'north'; wait for it"),
        hold(tmp_path).taken(0),
    ):
        pass
    assert left_alone == [True]


def test_who_loses_a_takeover_leaves_it_to_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two find the holder dead and write their names; the later name stands."""
    later = '{"machine": "s", "host": "south", "name": "other", "beat": 0}'
    (tmp_path / ".heartbeat").write_text(later.replace("south", "north").replace("other", "dead"))
    sleep = time.sleep

    def settle(seconds: float) -> None:
        if seconds == heartbeat.SETTLE:
            (tmp_path / ".heartbeat").write_text(later)
        else:
            sleep(seconds)

    monkeypatch.setattr(heartbeat.time, "sleep", settle)
    with (
        pytest.warns(UserWarning, match="sign of life"),
        pytest.raises(FauError, match="by another process, on machine 'south'; wait for it"),
        hold(tmp_path).taken(0),
    ):
        pass
    assert (tmp_path / ".heartbeat").read_text() == later


def test_a_process_that_stood_still_and_was_replaced_ends(start: Start, tmp_path: Path) -> None:
    asleep = start("north", beat=1.0)  # stopped between two beats, not in one
    assert first_line(asleep) == "held"
    asleep.send_signal(signal.SIGSTOP)
    with pytest.warns(UserWarning, match="sign of life"), hold(tmp_path).taken(0):
        asleep.send_signal(signal.SIGCONT)
        assert asleep.wait(180) == -signal.SIGTERM  # a program that takes SIGTERM says why it ends
        assert (tmp_path / ".heartbeat").exists()


def test_who_was_replaced_says_so(tmp_path: Path) -> None:
    ended = []
    before = signal.signal(signal.SIGTERM, lambda *_: ended.append("asked to end"))
    entry = '{"machine": "n", "host": "north", "name": "other", "beat": 0}'
    deadline = time.monotonic() + 180
    try:
        with (
            pytest.raises(FauError, match="on machine 'north', which took it over while this process stood still"),
            hold(tmp_path).taken(0),
        ):
            while not ended and time.monotonic() < deadline:
                (tmp_path / ".heartbeat").write_text(entry)  # again, where a beat under way had written over it
                time.sleep(0.05)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended == ["asked to end"]
    assert (tmp_path / ".heartbeat").read_text() == entry


def test_a_heartbeat_that_holds_nothing_readable_is_waited_out(tmp_path: Path) -> None:
    (tmp_path / ".heartbeat").touch()
    with pytest.warns(UserWarning, match=r"machine '\?'"), hold(tmp_path).taken(0):
        pass


def test_a_heartbeat_that_cannot_be_written_does_not_end_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, beats, read = tmp_path / ".heartbeat", [], Hold._read

    def count(self: Hold) -> bytes:
        beats.append(file.is_dir())
        return read(self)

    def until(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 180
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    monkeypatch.setattr(Hold, "_read", count)
    with hold(tmp_path).taken(0):
        while not file.is_dir():  # a beat may come between the two
            file.unlink(missing_ok=True)
            with contextlib.suppress(FileExistsError):
                file.mkdir()
        until(lambda: sum(beats) >= 2)
        file.rmdir()
        until(file.is_file)
