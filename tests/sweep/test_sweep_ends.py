"""What ends a sweep and what does not: hangups, terminals and readers that go away, a supervisor that stands still."""

import errno
import os
import pty
import signal
import subprocess
import sys
import threading
from multiprocessing import Pipe
from pathlib import Path

import pytest
from sweep_place import Place, is_alive, wait_for

from fau.cli.sweep import main
from fau.sweep import runner
from fau.sweep.supervisor import Supervisor


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_nohup_puts_a_hangup_off(place: Place) -> None:
    place.write({"name": ["a"], "until": str(place.folder / "go"), "sleep": 600})
    earlier = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        process = place.start()
    finally:
        signal.signal(signal.SIGHUP, earlier)
    wait_for(lambda: place.status("a-1") == "running")
    process.send_signal(signal.SIGHUP)
    (place.folder / "go").touch()
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 0 and "stopping" not in output


@pytest.mark.parametrize("kind", ["terminal", "pipe"])
def test_a_sweep_goes_on_where_nobody_looks_any_more(place: Place, kind: str) -> None:
    place.write({"name": list("abc"), "until": str(place.folder / "go"), "sleep": 600})
    ours, theirs = pty.openpty() if kind == "terminal" else os.pipe()
    command = [sys.executable, "-m", "fau.cli.sweep", str(place.file), "--no-report", "--jobs", "1"]
    process = subprocess.Popen(
        command, cwd=place.folder, stdout=theirs, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    place.started.append(process)
    os.close(theirs)
    wait_for(lambda: place.status("a-1") == "running")
    os.close(ours)
    (place.folder / "go").touch()
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 0 and not errors
    assert [entry["state"] for entry in place.journal()] == ["done"] * 3


def test_a_supervisor_that_stands_still_does_not_keep_the_sweep(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "GRACE", 0.1)
    monkeypatch.setattr(runner, "_DEAF", 0.1)
    place.write({"name": ["a"], "stubborn": "yes", "sleep": 600})

    def stop() -> None:
        wait_for(lambda: place.status("a-1") == "running")
        os.kill(parent(place.starts("a-1")[0]["pid"]), signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=stop)
    thread.start()
    assert main([str(place.file), "--no-report"]) == 130
    thread.join()
    assert "does not answer" in capsys.readouterr().out
    wait_for(lambda: not is_alive(place.starts("a-1")[0]["pid"]))


def test_what_a_trial_has_started_ends_with_a_killed_supervisor(place: Place) -> None:
    inner = "import os,pathlib,time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(600)"
    place.write({"name": ["a"]}, command=["sh", "-c", f'{sys.executable} -c "{inner}"; true', "${args}"])
    process = place.start()
    file = place.folder / "pid"
    wait_for(lambda: file.exists() and file.read_text() != "")
    pid = int(file.read_text())
    os.kill(parent(parent(pid)), signal.SIGKILL)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 2 and "ended by itself" in output
    assert not is_alive(pid)


def test_a_process_that_cannot_be_started_is_a_failed_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", full)
    ours, theirs = Pipe()
    log = tmp_path / "log"
    Supervisor(theirs, [])._answer({"start": 7, "log": str(log), "argv": [], "environment": {}, "fork": False})
    assert ours.recv_bytes() == b'{"ended": 7, "code": 127}'
    assert "no process can be started: Resource temporarily unavailable" in log.read_text()
