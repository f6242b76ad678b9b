"""Time of `fau-sweep sync` for a thousand offline W&B runs, against the tests' server on this machine.

    python benchmarks/wandb_sync.py [--runs 1000] [--jobs 8]

One run is logged by W&B's own client, eight epochs of sixty metrics each; the others are its log under other ids. Three
are broken: one is empty, one is damaged, one lacks its end as after a kill. The first call is stopped by SIGTERM when a
third has arrived, the second goes on, the third finds nothing left. At the end every run must have arrived once and
whole. A real server is further away: this measures what the sending costs here.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the server, and reading and writing of logs

import wandb
import wandb_log
from wandb_server import Server

EPOCHS, METRICS = 8, 60
BROKEN = 3


def write_runs(folder: Path, number: int) -> dict[str, Path]:
    """Write run directories and return their logs by run id."""
    run = wandb.init(
        **{"project": "fau", "id": "model", "dir": folder, "mode": "offline", "group": "full"},
        config={"fold": 1, "model": {"net": {"attention": True}}},
        settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
    )
    for epoch in range(EPOCHS):
        run.log({"epoch": epoch} | {f"val/metric{i}": (epoch + i) / 100 for i in range(METRICS)})
    run.finish()
    (log,) = map(wandb_log.wait_for_end, folder.glob("wandb/offline-run-*/run-*.wandb"))
    logs = {}
    for index in range(number):
        name = f"run{index:05d}"
        logs[name] = wandb_log.copy_as(log, name, folder / "runs" / "gla" / name)
        (folder / "runs" / "gla" / name / "run.json").write_text("{}")
    empty, damaged, torn = list(logs.values())[:BROKEN]
    empty.write_bytes(empty.read_bytes()[:7])
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    torn.write_bytes(torn.read_bytes()[:-5])
    os.utime(torn, (0, 0))
    return logs


def sync(folder: Path, jobs: int, server: Server, stop_at: int | None = None) -> tuple[int, float, str]:
    """Run fau-sweep sync; return its exit status, seconds and last line."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "fau.cli.sweep", "sync", str(folder / "runs"), "--jobs", str(jobs)],
        stdout=subprocess.PIPE,
        text=True,
    )
    if stop_at is not None:
        while process.poll() is None and len(server.runs) < stop_at:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
    output, _ = process.communicate()
    return process.returncode, time.monotonic() - began, (output.strip().splitlines() or [""])[-1]


def main() -> None:
    """Write runs, send them, and print what it took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=8)
    arguments = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, wandb {version('wandb')}, ", end="")
    print(f"{datetime.now(UTC):%Y-%m-%d}; {arguments.runs} runs, {BROKEN} of them broken")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {key: str(folder / key) for key in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR")}
        logs = write_runs(folder, arguments.runs)
        with Server() as server:
            os.environ |= server.environment()
            for title, stop_at in (("stopped at a third", arguments.runs // 3), ("the rest", None), ("nothing", None)):
                code, seconds, last = sync(folder, arguments.jobs, server, stop_at)
                arrived = sum(run.state == "finished" for run in server.runs.values())
                print(f"{title}: exit {code}, {seconds:.1f} s, {arrived} arrived; {last}")
            rows = {name: len(run.history) for name, run in server.runs.items()}
            twice = [name for name, number in rows.items() if number > EPOCHS]
            short = [name for name in list(logs)[BROKEN:] if rows.get(name, 0) < EPOCHS]
            unknown = set(server.unknown) or "none"
            print(f"{len(twice)} arrived twice, {len(short)} not whole; requests unknown to the server: {unknown}")


if __name__ == "__main__":
    main()
