"""What tests of the engine share: a folder with a sweep over a trial program that takes no time."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

PROGRAM = Path(__file__).with_name("trial_program.py")


def tiny_training(experiment: str, epochs: int) -> dict[str, Any]:
    """Return a configuration of fau-train whose epochs take about a second."""
    return {
        "experiment": experiment,
        "data": {"crop_set": "synthetic-tiny", "folds": 3, "batch_size": 64},
        "model": {
            "class_path": "fau.modules.detection.AUDetection",
            "init_args": {"net": {"class_path": "fau.nets.gla.GLACNN", "init_args": {"input_size": 32}}},
        },
        "trainer": {"max_epochs": epochs, "accelerator": "cpu"},
    }


class Place:
    """A working folder, its sweep file and its runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "sweep.yaml"
        self.started: list[subprocess.Popen[str]] = []

    def write(self, parameters: dict[str, Any], **keys: Any) -> None:
        """Write the sweep file; plain values become ``value``, lists ``values``."""
        axes = {k: {"values": v} if isinstance(v, list) else {"value": v} for k, v in parameters.items()}
        content = {"method": "grid", "command": [sys.executable, str(PROGRAM), "${args}"], "parameters": axes, **keys}
        self.file.write_text(yaml.safe_dump(content, sort_keys=False))

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start fau-sweep as a process."""
        command = [sys.executable, "-m", "fau.cli.sweep", str(self.file), "--no-report", *arguments]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def close(self) -> None:
        """End what a failed test left; trials end with their runner."""
        for process in self.started:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def run(self, name: str) -> Path:
        """Return the run directory of a trial."""
        return self.folder / "runs" / "fake" / name

    def status(self, name: str) -> str:
        """Return what a run says of itself."""
        file = self.run(name) / "run.json"
        return json.loads(file.read_text())["status"] if file.exists() else "new"

    def starts(self, name: str) -> list[dict[str, Any]]:
        """Return the starts of a trial, with the environment of each."""
        file = self.run(name) / "starts.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def journal(self) -> list[dict[str, Any]]:
        """Return the journal's lines."""
        (file,) = self.folder.glob("runs/.sweeps/*/trials.jsonl")
        return [json.loads(line) for line in file.read_text().splitlines()]


def wait_for(condition: Callable[[], bool], seconds: float = 180.0) -> None:
    """Wait until a condition holds; the limit is for what never happens, on a machine however slow."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def read_until(process: "subprocess.Popen[str]", word: str) -> None:
    """Read what a process prints until a line holds a word."""
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return
    raise AssertionError(f"it ended without saying '{word}'")


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before, or while it was read
        return False
