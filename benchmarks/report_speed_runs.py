"""Time and memory of fau-report over a thousand run directories of BP4D's size.

    python benchmarks/report_speed_runs.py [--rows 334] [--folds 3] [--seeds 1] [--out DIR] [--profile]

One run is trained at tiny size for its record and its epochs; the others are that run with drawn frames of its own
fold: 49,000 each, 12 action units, scores as a classifier of some skill would give them. All is written by fau's own
functions, so that the directories are what training leaves (without checkpoints). Predictions are drawn for a few
skills and linked into the runs that have them in common: each run holds its own file, and a thousand do not fill the
disk. Then fau-report is a process of its own, asked three times for all it has: terminal, HTML, Markdown, CSV, LaTeX.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fau.hardware import describe_hardware
from fau.metrics import group_counts, rank
from fau.runs import RunDirectory

SUBJECTS, SKILLS = 41, 8
# BP4D's rates of its twelve action units.
RATES = np.array([21.1, 17.1, 20.3, 46.1, 54.9, 59.4, 56.2, 46.6, 16.9, 34.3, 16.5, 15.1]) / 100
LABELS = ["AU1", "AU2", "AU4", "AU6", "AU7", "AU10", "AU12", "AU14", "AU15", "AU17", "AU23", "AU24"]
TRAINED = [
    *("--data.crop_set", "synthetic-tiny", "--data.folds", "3", "--data.batch_size", "64", "--trainer.max_epochs"),
    *("12", "--model.init_args.allow_upsample", "true", "--trainer.accelerator", "cpu", "--wandb", "disabled"),
    *("--model.net.input_size", "32", "--experiment", "many"),
]


@dataclass(frozen=True)
class Drawn:
    """What a test of one fold left: arrays of predictions.npz and counts.npz."""

    predictions: dict[str, NDArray[Any]]
    counts: dict[str, NDArray[Any]]


def draw(fold: int, folds: int, frames: int, skill: float) -> Drawn:
    """Draw the truth of a fold's subjects, and scores that are the better the greater the skill."""
    rng = np.random.default_rng([fold, round(1000 * skill)])
    mine = [index for index in range(SUBJECTS) if index % folds == fold - 1]
    subject = np.sort(np.random.default_rng(fold).integers(0, len(mine), frames))
    own = np.random.default_rng(fold).normal(0, 0.8, (len(mine), len(RATES)))
    rate = 1 / (1 + (1 - RATES) / RATES * np.exp(-own[subject]))
    label = np.random.default_rng([fold, 1]).random(rate.shape) < rate
    evidence = skill * (2 * label - 1) + rng.normal(0, 1, (len(mine), len(RATES)))[subject] * 0.3
    score = (1 / (1 + np.exp(-1.5 * (evidence + rng.standard_normal(rate.shape))))).astype(np.float32)
    mask = np.ones(rate.shape, bool)
    group = np.array([f"F{index + 1:03d}" for index in mine])[subject]
    truth = label.astype(np.int8)
    counts = group_counts(score, truth, mask, group, 0.5) | rank(score, truth, mask).arrays()
    counts |= {"labels": np.array(LABELS), "threshold": np.array(0.5)}
    arrays = {"test/au/score": score, "test/au/label": truth, "test/au/mask": mask}
    arrays |= {"test/index": np.arange(frames), "test/group": group, "labels/au": np.array(LABELS)}
    return Drawn(arrays, counts)


def trained(folder: Path) -> RunDirectory:
    """Train the run that lends its record and its epochs to the others."""
    command = [sys.executable, "-m", "fau.cli.train", *TRAINED, "--runs", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (file,) = folder.glob("many/*/run.json")
    return RunDirectory(file.parent)


def write_runs(root: Path, rows: int, folds: int, seeds: int, frames: int, predictions: bool) -> int:
    """Write the run directories and return their number."""
    with tempfile.TemporaryDirectory() as name:
        model = trained(Path(name))
        record, epochs = model.read(), model.metrics()
        config = (model.path / "config.yaml").read_bytes()
    rng = np.random.default_rng(0)
    number, began = 0, datetime(2026, 11, 21, tzinfo=UTC)
    for fold in range(1, folds + 1):
        for skill in range(SKILLS):
            drawn = draw(fold, folds, frames, 0.5 + 0.1 * skill)
            linked: Path | None = None
            for row in range(skill, rows, SKILLS):
                for seed in range(seeds):
                    run = RunDirectory(root / "many" / f"{row:04d}{fold:02d}{seed:06d}")
                    run.path.mkdir(parents=True)
                    at = began + timedelta(seconds=row * 60 + seed * 10 + fold)
                    own = {"run_id": run.path.name, "name": f"row {row}", "fold": fold, "folds": folds, "seed": seed}
                    run.write(record | own | {"started": at.isoformat(), "labels": LABELS})
                    run.write_arrays("counts.npz", drawn.counts)
                    noise = {n: epochs[n] * (1 + 0.02 * rng.standard_normal()) for n in epochs.columns if "/" in n}
                    (run.path / "metrics.csv").write_bytes(epochs.with_columns(**noise).write_csv().encode())
                    (run.path / "config.yaml").write_bytes(config)
                    if predictions and linked is None:
                        run.write_arrays("predictions.npz", drawn.predictions)
                        linked = run.path / "predictions.npz"
                    elif linked is not None:
                        (run.path / "predictions.npz").hardlink_to(linked)
                    number += 1
    return number


def report(root: Path, *options: str) -> tuple[float, float, float]:
    """Run fau-report and return its seconds by the clock and of the processor, and its greatest memory in GB."""
    command = [sys.executable, *options, "-m", "fau.cli.report", str(root)]
    began = time.monotonic()
    with (root / "printed.txt").open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, env=os.environ | {"COLUMNS": "120"})
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"fau-report ended with {process.returncode}")
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory of fau-report over many runs")
    for name, number in {"rows": 334, "folds": 3, "seeds": 1, "frames": 49_000, "repeats": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--counts-only", action="store_true", help="runs without predictions.npz")
    parser.add_argument("--out", type=Path, help="folder for the runs; written if it is not there, and kept")
    parser.add_argument("--profile", action="store_true", help="write a cProfile to OUT/profile and time nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root: Path = arguments.out or Path(name) / "runs"
        if not root.is_dir():
            root.mkdir(parents=True)
            size = (arguments.rows, arguments.folds, arguments.seeds, arguments.frames)
            print(f"{write_runs(root, *size, not arguments.counts_only)} runs written to {root}", flush=True)
        if arguments.profile:
            report(root, "-m", "cProfile", "-o", str(root / "profile"))
            return
        runs = [RunDirectory(file.parent) for file in root.glob("many/*/run.json")]
        kept = sum((run.path / "predictions.npz").exists() for run in runs)
        load = os.getloadavg()[0]
        measured = [report(root) for _ in range(arguments.repeats)]
        print(f"{len(runs)} runs ({arguments.rows} rows x {arguments.folds} folds x {arguments.seeds} seeds),")
        print(f"{arguments.frames} frames x {len(LABELS)} AUs each, {kept} with predictions.npz;")
        print(f"{describe_hardware()['cpu']}, {os.cpu_count()} cores, load {load:.1f} before;")
        print(f"Python {platform.python_version()}, NumPy {version('numpy')}, plotly {version('plotly')}")
        for index, what in enumerate(("s by the clock", "s of the processor", "GB at most")):
            values = sorted(one[index] for one in measured)
            print(f"{median(values):.2f} {what} (median of {len(values)}; {values[0]:.2f} to {values[-1]:.2f})")
        page = root / "report" / "report.html"
        print(f"report.html {page.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
