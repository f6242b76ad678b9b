"""What becomes of the process that starts the trials when its runner is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

# A runner that starts a supervisor as fau.sweep.client does, with a module whose import does not end.
_RUNNER = """
import os, subprocess, sys, time
ours, theirs = os.pipe()
command = [sys.executable, "-m", "fau.sweep.supervisor", str(theirs), "endless"]
process = subprocess.Popen(command, pass_fds=[theirs], start_new_session=True)
print(process.pid, flush=True)
time.sleep(3600)
"""


def test_a_runner_that_is_killed_takes_a_supervisor_that_still_imports_with_it(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    (tmp_path / "endless.py").write_text(
        f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(3600)\n"
    )
    runner = subprocess.Popen(
        [sys.executable, "-c", _RUNNER],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert runner.stdout is not None
    with runner.stdout:
        supervisor = psutil.Process(int(runner.stdout.readline()))
    deadline = time.monotonic() + 300
    while not begun.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert begun.exists()
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    _, alive = psutil.wait_procs([supervisor], timeout=300)
    for process in alive:
        process.kill()
    assert not alive
