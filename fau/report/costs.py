"""What ``fau-bench --keep`` left in a run's directory: what its network costs, and on which machine."""

from __future__ import annotations

import json
from dataclasses import dataclass

from fau.report.rows import Row

FORMAT = 1
FILE = "cost.json"


@dataclass(frozen=True)
class RunCost:
    """What the network of a row costs.

    Attributes:
        gflop: Billions of floating-point operations of scoring an image.
        frames_per_s: Frames a second, one after the other.
        latency: Milliseconds of scoring, by batch size.
        machine: On what it was measured, and how.
    """

    gflop: float
    frames_per_s: float
    latency: dict[int, float]
    machine: str


def cost(row: Row) -> RunCost | None:
    """Return what was measured of the first run of a row of which anything was; None if of none."""
    for run in row.runs:
        try:
            kept = json.loads((run.path / FILE).read_text(encoding="utf-8"))
            if kept["format"] != FORMAT:
                continue
            model, hardware = kept["model"], kept["hardware"]
            name = ", ".join(hardware["gpus"]) if kept["device"] == "cuda" else hardware["cpu"]
            threads = f"{hardware['threads']} CPU thread{'' if hardware['threads'] == 1 else 's'}"
            load = f"load {kept['load'][0]} to {kept['load'][1]}"
            return RunCost(
                gflop=float(model["flops"]) / 1e9,
                frames_per_s=float(model["frames_per_s"]),
                latency={int(size): 1e3 * float(spread["median"]) for size, spread in model["latency"].items()},
                machine=f"{name}, {model['precision']}, {threads}, {load}, {kept['date']}",
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            continue  # as if it had not been measured
    return None
