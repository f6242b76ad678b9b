"""The table of ``fau-bench``, and the files that hold it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fau.bench.measure import Cost, Spread
from fau.report.costs import FILE, FORMAT
from fau.report.formats.text import markdown_table
from fau.report.tables.table import Table


def cost_table(costs: list[Cost], conditions: Mapping[str, Any]) -> Table:
    """Return one row a model.

    Args:
        costs: What was measured.
        conditions: Device, precisions, rounds, hardware and load of the machine.
    """
    hardware = conditions["hardware"]
    machine = ", ".join(hardware["gpus"]) if conditions["device"] == "cuda" else hardware["cpu"]
    threads = "1 CPU thread" if hardware["threads"] == 1 else f"{hardware['threads']} CPU threads"
    sizes = list(costs[0].latency)
    rounds = "1 round" if conditions["rounds"] == 1 else f"{conditions['rounds']} rounds in turns"
    return Table(
        f"{machine}, {', '.join(conditions['precision'])}, {threads}",
        [
            *("model", "px", "parameters", "GFLOP", "frames/s", *(f"ms, batch {size}" for size in sizes)),
            *(f"training images/s, batch {costs[0].batch}", "MB"),
        ],
        [
            [
                *(cost.name, str(cost.size), _millions(cost.parameters), f"{cost.flops / 1e9:.2f}"),
                *(_rate(cost.frames_per_s), *(_milliseconds(spread) for spread in cost.latency.values())),
                *(_rates(cost.step, cost.batch), f"{cost.memory / 1e6:,.0f}"),
            ]
            for cost in costs
        ],
        notes=[
            f"Medians (quartiles) of {rounds}; load {conditions['load'][0]} before and {conditions['load'][1]} after.",
            "GFLOP: scoring one image, 2 a multiply-add, of convolutions, matrix products and attention.",
            "frames/s: one after the other, as from a camera; finding and aligning the face is not in it. ms: from "
            "crops in the host's memory to scores there.",
            "Training: transform, forward, loss, backward, optimiser; loading and augmentation are not in it. MB: "
            "tensors at the peak of that step.",
        ],
    )


def as_json(costs: list[Cost], conditions: Mapping[str, Any]) -> str:
    """Return every duration, and the conditions."""
    return json.dumps(dict(conditions) | {"models": [cost.as_dict() for cost in costs]}, indent=1) + "\n"


def as_kept(costs: list[Cost], conditions: Mapping[str, Any], folders: Mapping[str, Path]) -> dict[Path, str]:
    """Return what each run's folder keeps of its model and of the conditions, for reports."""
    return {
        folders[cost.name] / FILE: json.dumps(
            {"format": FORMAT} | dict(conditions) | {"model": cost.as_dict()}, indent=1
        )
        + "\n"
        for cost in costs
    }


def as_csv(costs: list[Cost], device: str) -> str:
    """Return one row a model; durations in seconds, memory in bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    spreads = [f"latency_b{size}" for size in costs[0].latency] + ["train_step"]
    heads = ["name", "network", "size", "parameters", "flops", "memory_bytes", "batch", "frames_per_s"]
    heads += ["train_images_per_s", "precision", "device"]
    writer.writerow([*heads, *(f"{name}_{what}" for name in spreads for what in ("s", "q1_s", "q3_s", "n"))])
    for cost in costs:
        own = [cost.name, cost.network, cost.size, cost.parameters, cost.flops, cost.memory, cost.batch]
        own += [cost.frames_per_s, cost.train_images_per_s, cost.precision, device]
        for spread in (*cost.latency.values(), cost.step):
            own += [spread.median, *spread.quartiles, len(spread.seconds)]
        writer.writerow(own)
    return text.getvalue()


def as_markdown(table: Table, conditions: Mapping[str, Any]) -> str:
    """Return a page with the table as it is printed."""
    about = f"`{conditions['command']}`, {conditions['date']}, torch {conditions['torch']}. {table.title}."
    return "\n\n".join(["# What models cost", about, markdown_table(table), *table.notes]) + "\n"


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f} M" if count >= 1e5 else f"{count:,}"


def _rate(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 100 else f"{rate:.1f}" if rate >= 10 else f"{rate:.2f}"


def _milliseconds(spread: Spread) -> str:
    low, high = spread.quartiles
    digits = 2 if spread.median < 0.01 else 1 if spread.median < 1 else 0
    return f"{1e3 * spread.median:.{digits}f} ({1e3 * low:.{digits}f}-{1e3 * high:.{digits}f})"


def _rates(step: Spread, batch: int) -> str:
    low, high = step.quartiles
    return f"{_rate(batch / step.median)} ({_rate(batch / high)}-{_rate(batch / low)})"
