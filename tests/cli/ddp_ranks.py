"""Runs fau-train on numbers of processes, one after another, as forks that share their imports; started by a test.

Usage: ddp_ranks.py JOBS WORDS..., JOBS being JSON: a list of {"processes", "runs", "copy", "words"}. Where "copy" names
a folder of finished runs, they are copied and marked as interrupted first, so that their weights are evaluated anew.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

# Nothing that imports polars, whose threads do not survive a fork.
import lightning.pytorch.cli
import torch
from lightning.fabric.plugins.environments.lightning import find_free_network_port
from lightning.pytorch.utilities import rank_zero_only


def become(rank: int, processes: int, port: int, words: list[str]) -> int:
    """Run fau-train as one process of a group, as a launcher would start it."""
    if processes > 1:
        os.environ |= {"LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes), "NODE_RANK": "0"}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        rank_zero_only.rank = rank  # which Lightning reads at its import
    torch.set_num_threads(1)
    from fau.cli.train import main

    return main(words)


def run(job: dict[str, Any], words: list[str]) -> None:
    """Do one job, and raise if a process of it fails."""
    processes, runs = int(job["processes"]), Path(job["runs"])
    if job.get("copy"):
        shutil.copytree(job["copy"], runs)
        for file in runs.glob("*/*/run.json"):
            file.write_text(json.dumps(json.loads(file.read_text()) | {"status": "running"}))
    more = ["--trainer.devices", str(processes), "--trainer.strategy", "ddp"] if processes > 1 else []
    more += job.get("words", [])
    port, children = find_free_network_port(), []
    for rank in range(processes):
        child = os.fork()
        if not child:
            os._exit(become(rank, processes, port, [*words, "--runs", str(runs), *more]))
        children.append(child)
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if any(ended):
        sys.exit(f"{job}: statuses {ended}")


if __name__ == "__main__":
    assert lightning.pytorch.cli and "polars" not in sys.modules
    for listed in json.loads(sys.argv[1]):
        run(listed, sys.argv[2:])
