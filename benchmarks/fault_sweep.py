"""A sweep that faults are injected into: files, processes, and whether it came out as if nothing had happened."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
import yaml
from frozen_code import frozen_environment

from fau.runs import RunDirectory, ledger
from fau.synthetic.cache import default_cropset

BASE = {
    "experiment": "faults",
    "wandb": "disabled",
    "data": {"crop_set": "crops", "folds": 3, "batch_size": 32},
    "model": {
        "class_path": "fau.modules.detection.AUDetection",
        "init_args": {"net": {"class_path": "fau.nets.gla.GLACNN", "init_args": {"input_size": 32}}},
    },
    "trainer": {"max_epochs": 4, "accelerator": "cpu"},
}
DDP = ("--trainer.devices=2", "--trainer.strategy=ddp")
PATIENCE = 900.0  # s; whoever waits longer than that has found a hang
TIMED = ("time_s", "kept")  # columns of metrics.csv that tell times, or are no results


class NotWithstoodError(Exception):
    """What the sweep should have withstood, and did not."""


class FaultSweep:
    """A sweep of a few seeds in a folder of its own.

    Args:
        folder: For the sweep file and the runs.
        name: Of the folder of runs.
        trials: Number of seeds.
        ddp: Whether each trial has two processes.
    """

    def __init__(self, folder: Path, name: str, trials: int, ddp: bool = False) -> None:
        self.folder, self.runs, self.trials = folder, folder / name, trials
        self._options = ["--jobs=1"] if ddp else ["--jobs=2"]
        self.file = folder / f"{'ddp' if ddp else 'one'}-{trials}.yaml"
        (folder / "base.yaml").write_text(yaml.safe_dump(BASE))
        if not (folder / "crops").exists():
            (folder / "crops").symlink_to(default_cropset("synthetic-tiny"))
        words = [*("fau-train", "--config=base.yaml"), *(DDP if ddp else ()), "${args}"]
        grid = {"seed": {"values": list(range(trials))}}
        self.file.write_text(yaml.safe_dump({"method": "grid", "command": words, "parameters": grid}))
        self.said = ""  # what the calls so far have printed

    def start(self, *options: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start fau-sweep."""
        command = [sys.executable, "-m", "fau.cli.sweep", self.file.name, f"--runs={self.runs.name}", "--no-report"]
        return subprocess.Popen(
            [*command, "--threads=1", *self._options, *options],
            cwd=self.folder,
            env=frozen_environment(self.folder) | (environment or {}),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait(self, process: subprocess.Popen[str]) -> int:
        """Wait for a call's end and keep what it printed."""
        output, _ = process.communicate(timeout=PATIENCE)
        self.said += output
        return process.returncode

    def finish(self, *options: str, calls: int = 1) -> int:
        """Call until all is done, at most so often, and return the number of calls.

        Raises:
            NotWithstoodError: If the last call ends otherwise.
        """
        for number in range(1, calls + 1):
            code = self.wait(self.start(*options))
            if code == 0:
                return number
        raise NotWithstoodError(f"call {calls} ended with {code}:\n{self.said[-2000:]}")

    # Processes --------------------------------------------------------------------------------------------------------

    @staticmethod
    def supervisor(runner: int) -> psutil.Process | None:
        """Return the process that starts the trials."""
        try:
            children = psutil.Process(runner).children()
            return next((p for p in children if "fau.sweep.supervisor" in p.cmdline()), None)
        except psutil.Error:
            return None

    def trial_processes(self, runner: int) -> list[psutil.Process]:
        """Return the first process of each running trial."""
        supervisor = self.supervisor(runner)
        try:
            return [] if supervisor is None else supervisor.children()
        except psutil.Error:
            return []

    def processes(self) -> list[psutil.Process]:
        """Return every process that has anything to do with this folder of runs, this one's callers apart."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(self.folder.resolve()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def orphans_gone(self) -> float:
        """Wait until no process works in the folder, and return the seconds that took.

        Raises:
            NotWithstoodError: If one stays.
        """
        began = time.monotonic()
        wait_for(lambda: not self.processes(), "processes stay behind", 90)
        return time.monotonic() - began

    # What came out ----------------------------------------------------------------------------------------------------

    def epochs(self) -> int:
        """Return how many epochs have ended in all runs."""
        rows = 0
        for file in self.runs.glob("*/*/metrics.csv"):
            rows += max(0, len(file.read_text().splitlines()) - 1)
        return rows

    def journal(self) -> list[dict[str, Any]]:
        """Return the ends of trials."""
        lines = [line for file in self.runs.glob(".sweeps/*/trials.jsonl") for line in file.read_text().splitlines()]
        entries = []
        for line in lines:
            try:
                entries.append(json.loads(line))
            except ValueError:  # cut short by a kill
                continue
        return entries

    def check(self, undisturbed: FaultSweep) -> None:
        """Compare the finished sweep with one that nothing happened to.

        Raises:
            NotWithstoodError: If a trial is not done, done twice, or differs in a bit.
        """
        mine, theirs = self._results(), undisturbed._results()
        if mine.keys() != theirs.keys():
            raise NotWithstoodError(f"runs {sorted(mine)} instead of {sorted(theirs)}")
        for name, arrays in theirs.items():
            for key, value in arrays.items():
                if key not in mine[name] or not np.array_equal(mine[name][key], value):
                    raise NotWithstoodError(f"run {name}: {key} differs")
        ends = [entry["key"] for entry in self.journal() if entry["state"] == "done"]
        if len(ends) != len(set(ends)) or len(ends) != self.trials:
            raise NotWithstoodError(f"{len(ends)} ends of {self.trials} trials in the journal")
        records = [file.read_bytes() for file in sorted(self.runs.glob("*/*/run.json"))]
        code = self.wait(self.start())
        again = [file.read_bytes() for file in sorted(self.runs.glob("*/*/run.json"))]
        if code or records != again or f"{self.trials} done before" not in self.said:
            raise NotWithstoodError(
                f"a further call, which should start nothing, ended with {code}:\n{self.said[-500:]}"
            )

    def _results(self) -> dict[str, dict[str, Any]]:
        """Return predictions, counts, chosen weights and epochs of each run."""
        results = {}
        for run in (RunDirectory(found.path) for found in ledger(self.runs)):
            record = run.read()
            if record["status"] != "done":
                raise NotWithstoodError(f"run {run.path.name} is {record['status']}")
            arrays: dict[str, Any] = {}
            for file in ("predictions.npz", "counts.npz"):
                arrays |= {f"{file} {key}": value for key, value in run.arrays(file).items()}
            state = torch.load(run.checkpoints / "best.ckpt", weights_only=True)["state_dict"]
            arrays |= {f"weights {key}": value.numpy() for key, value in state.items()}
            epochs = run.metrics()
            kept = [name for name in epochs.columns if not name.startswith(TIMED)]
            results[run.path.name] = arrays | {"epochs": np.array(epochs.select(kept).write_csv())}
            results[run.path.name]["metrics"] = np.array(json.dumps(record["metrics"], sort_keys=True))
        return results


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
    """Wait until a condition holds.

    Raises:
        NotWithstoodError: If it does not within so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise NotWithstoodError(what)
        time.sleep(0.02)


def is_there(process: psutil.Process) -> bool:
    """Tell whether a process still does anything."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def kill(processes: Sequence[psutil.Process], rng: random.Random) -> psutil.Process | None:
    """Kill one of some processes at random with SIGKILL and return it, None if none was there any more."""
    for process in rng.sample(list(processes), len(processes)):
        try:
            process.kill()
            return process
        except psutil.Error:
            continue
    return None


@contextmanager
def mounted(source: Path | None, place: Path, megabytes: int = 0) -> Iterator[Callable[..., None]]:
    """Mount a folder, or a memory file system of so many megabytes, and unmount it at the end; needs root.

    Yields:
        Runs ``mount`` (no argument) or ``umount`` once more in between.
    """
    place.mkdir(exist_ok=True)

    def mount() -> None:
        words = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs"] if source is None else ["--bind", str(source)]
        subprocess.run(["mount", *words, str(place)], check=True)

    def unmount() -> None:
        subprocess.run(["umount", "--lazy", str(place)], check=True)

    mount()
    try:
        yield lambda away: unmount() if away else mount()
    finally:
        here = f" {place.resolve()} "  # Path.is_mount sees no folder mounted on another of the same disk
        while here in Path("/proc/self/mountinfo").read_text():
            unmount()
