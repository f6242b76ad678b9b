"""Signals at moments when nothing has been set up yet to take them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fau.cli._main import guarded

# Stops itself in the midst of a slow import, as a user might stop fau-train in its first seconds.
IMPORTING = """
import os, signal, sys
sys.argv = ["/usr/bin/fau-train"]
import fau.cli
os.kill(os.getpid(), int(sys.stdin.read()))
print("went on")
"""


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_during_the_imports_is_one_sentence(number: signal.Signals, code: int, word: str) -> None:
    command = [sys.executable, "-c", IMPORTING]
    ended = subprocess.run(command, input=str(int(number)), capture_output=True, text=True, timeout=300)
    assert ended.returncode == code
    assert ended.stdout == ""
    assert ended.stderr == f"fau-train: {word} before it began; give the same command again\n"


def test_importing_the_programs_leaves_another_programs_signals_alone() -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_sigterm_before_lightning_listens_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(100)
        return 0

    with pytest.raises(SystemExit) as ended:
        guarded("fau-train", body)
    assert ended.value.code == 143
    assert capsys.readouterr().err == "fau-train: terminated; give the same command again\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_handler_that_calls_ours_decides_by_itself() -> None:
    heard = []

    def body() -> int:
        before = signal.getsignal(signal.SIGTERM)
        assert callable(before)
        signal.signal(signal.SIGTERM, lambda number, frame: heard.append(before(number, frame)))  # as Lightning does
        os.kill(os.getpid(), signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)
        return 7

    assert guarded("fau-train", body) == 7
    assert heard == [None]


def _takes_sigterm(pid: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = int(next(line.split()[1] for line in lines if line.startswith("SigCgt")), 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 1.0, 3.0, 6.0])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_program_may_be_stopped_at_any_moment(
    number: signal.Signals, code: int, delay: float, tiny_args: list[str], tmp_path: Path
) -> None:
    program = str(Path(sys.executable).with_name("fau-train"))
    command = [program, *tiny_args, "--trainer.max_epochs", "100000", "--runs", str(tmp_path), "--wandb", "disabled"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not _takes_sigterm(process.pid):  # before that, Python itself starts
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(delay)
    process.send_signal(number)
    _, error = process.communicate(timeout=300)
    assert process.returncode == code, error
    assert "Traceback" not in error
    assert error.strip().splitlines()[-1].startswith("fau-train: ")
