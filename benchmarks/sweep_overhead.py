"""What the runner of sweeps costs: empty trials, a finished sweep, and forks of fau-train beyond their training.

python benchmarks/sweep_overhead.py [--trials 1000] [--forks 8]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import yaml

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


def sweep(folder: Path, name: str, command: list[str], trials: int, *options: str) -> float:
    """Run a sweep of so many seeds and return its seconds."""
    content = {"method": "grid", "command": command, "parameters": {"seed": {"values": list(range(trials))}}}
    (folder / name).write_text(yaml.safe_dump(content))
    began = time.monotonic()
    arguments = [sys.executable, "-m", "fau.cli.sweep", name, "--no-report", *options]
    subprocess.run(arguments, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def outside_training(folder: Path) -> list[float]:
    """Return for each trial its seconds less those that its run counts as training and testing."""
    (journal,) = folder.glob("runs/.sweeps/forks-*/trials.jsonl")
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    return [e["seconds"] - json.loads((Path(e["run_dir"]) / "run.json").read_text())["wall_s"] for e in entries]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--forks", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
        empty = ["sh", "-c", EMPTY, "${args_no_hyphens}"]
        first = sweep(folder, "empty.yaml", empty, arguments.trials)
        again = sweep(folder, "empty.yaml", empty, arguments.trials)
        per = 1000 * first / arguments.trials
        print(f"{arguments.trials} empty trials: {first:.1f} s, {per:.1f} ms each; called again: {again:.1f} s")
        options = ("--jobs", "1", "--threads", "1")
        sweep(
            folder, "corpus.yaml", ["fau-train", *TINY, "${args}"], 1, *options, "--runs", "other"
        )  # draws the corpus
        total = sweep(folder, "forks.yaml", ["fau-train", *TINY, "${args}"], arguments.forks, *options)
        outside = outside_training(folder)
        print(
            f"{arguments.forks} forked trials: {total:.1f} s with the imports; beyond training and testing each took "
            f"{median(outside):.2f} s (median; {min(outside):.2f} to {max(outside):.2f})"
        )


if __name__ == "__main__":
    main()
