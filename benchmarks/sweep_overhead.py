"""What the runner of sweeps costs: empty trials, a finished sweep, and fau-train beyond its training, forked or not.

python benchmarks/sweep_overhead.py [--trials 1000] [--forks 8] [--processes 4] [--repeats 3]

The machine may be busy: beside the seconds of the clock stand those of the processor, of all processes together.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

import yaml
from frozen_code import frozen_environment

from fau.hardware import describe_hardware

# A trial that does nothing but say that it is done.
EMPTY = (
    'D="runs/empty/$0"; mkdir -p "$D"; echo "{\\"status\\": \\"done\\"}" > "$D/run.json"; '
    'echo "{\\"run_dir\\": \\"$PWD/$D\\", \\"status\\": \\"done\\"}" > "$FAU_TRIAL_RECORD"'
)
TINY = [
    *("--data.crop_set=synthetic-tiny", "--data.folds=3", "--data.batch_size=8", "--trainer.max_epochs=1"),
    *("--trainer.limit_train_batches=1", "--trainer.limit_val_batches=1", "--trainer.limit_test_batches=1"),
    *("--model.init_args.allow_upsample=true", "--trainer.accelerator=cpu"),
]


def sweep(folder: Path, name: str, command: list[str], trials: int, *options: str) -> tuple[float, float]:
    """Run a sweep of so many seeds and return its seconds, of the clock and of the processor."""
    content = {"method": "grid", "command": command, "parameters": {"seed": {"values": list(range(trials))}}}
    (folder / name).write_text(yaml.safe_dump(content))
    arguments = [sys.executable, "-m", "fau.cli.sweep", name, "--no-report", *options]
    environment = frozen_environment(folder)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(arguments, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, used


def spread(values: list[float]) -> str:
    """Return median, least and most seconds."""
    return f"{median(values):.2f} s (median of {len(values)}; {min(values):.2f} to {max(values):.2f})"


def outside_training(folder: Path, name: str) -> str:
    """Say what each trial took beyond what its run counts as training and testing."""
    (journal,) = folder.glob(f"runs/.sweeps/{name}-*/trials.jsonl")
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    outside = [e["seconds"] - json.loads((Path(e["run_dir"]) / "run.json").read_text())["wall_s"] for e in entries]
    return spread(outside)


def main() -> None:
    parser = argparse.ArgumentParser(description="What the runner of sweeps costs")
    for name, number in {"trials": 1000, "forks": 8, "processes": 4, "repeats": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{' '.join(sys.argv)}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
        print(f"{describe_hardware()['cpu']}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start,")
        print(f"Python {platform.python_version()}, torch {version('torch')}, wandb {version('wandb')} offline")
        empty, number = ["sh", "-c", EMPTY, "${args_no_hyphens}"], arguments.trials
        names = [f"empty{index}.yaml" for index in range(arguments.repeats)]
        for what in (f"{number} empty trials", "the finished sweep, called again"):
            clock, used = zip(*(sweep(folder, one, empty, number) for one in names), strict=True)
            print(f"{what}: clock {spread(list(clock))}, processor {spread(list(used))}")
        began, script = time.monotonic(), f"for i in $(seq {number}); do sh -c '{EMPTY}' s$i; done"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        record = os.environ | {"FAU_TRIAL_RECORD": str(folder / "record.json")}
        subprocess.run(["sh", "-c", script], cwd=folder, check=True, env=record)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        alone = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"the same shells in a loop: {time.monotonic() - began:.1f} s and {alone:.1f} s of the processor (n = 1)")
        options, train = ("--jobs", "1", "--threads", "1"), ["fau-train", *TINY, "${args}"]
        sweep(folder, "corpus.yaml", train, 1, *options, "--runs", "other")  # draws the corpus
        for kind, trials, fork in (("forks", arguments.forks, ()), ("processes", arguments.processes, ("--no-fork",))):
            _, first = sweep(folder, f"one-{kind}.yaml", [*train, f"--experiment=one-{kind}"], 1, *options, *fork)
            seconds, total = sweep(folder, f"{kind}.yaml", [*train, f"--experiment={kind}"], trials, *options, *fork)
            print(f"{trials} trials as {kind}: {seconds:.1f} s of the clock, {total:.1f} s of the processor (n = 1);")
            print(f"beyond training and testing each took {outside_training(folder, kind)} of the clock;")
            each = (total - first) / (trials - 1)
            print(f"with its training and testing each took {each:.2f} s of the processor (from 1 and {trials} trials)")


if __name__ == "__main__":
    main()
