"""Measure how fast GLA-CNN trains by memory layout and precision, without loading or augmentation.

    python benchmarks/train_speed.py  # a minute on two quiet cores; writes benchmarks/results/train_speed.*
    python benchmarks/train_speed.py --device cuda --batch 256 --out /tmp/train_speed

The settings take turns within every round, so that what else the machine does falls on all of them alike. A speed is
the median over rounds, with the quartiles; a ratio is the median over rounds of the ratio to contiguous float32 in the
same round. Images per CPU-second depend less on other load than images per second.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from fau.hardware import describe_hardware, limit_threads
from fau.losses import masked_bce
from fau.nets.gla import GLACNN


@dataclass(frozen=True)
class Setting:
    """What takes its turn: an image size in pixels, a memory layout and a precision."""

    size: int
    channels_last: bool
    bf16: bool

    @property
    def name(self) -> str:
        """Its name in the table."""
        return f"{'channels_last' if self.channels_last else 'contiguous'} {'bf16' if self.bf16 else 'fp32'}"


SETTINGS = [Setting(size, *rest) for size in (112, 64) for rest in ((False, False), (True, False), (True, True))]


def training(setting: Setting, batch: int, device: torch.device) -> Iterator[float]:
    """Train for ever on one random batch, a step a turn, yielding the loss."""
    torch.manual_seed(0)
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    net = GLACNN(12, input_size=setting.size).to(device).to(memory_format=layout)
    images = torch.randn(batch, 3, setting.size, setting.size, device=device).to(memory_format=layout)
    target = (torch.rand(batch, 12, device=device) < 0.3).float()
    mask = torch.rand(batch, 12, device=device) < 0.9
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    while True:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=setting.bf16):
            logits = net(images).logits
        loss = masked_bce(logits, target, mask).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        yield loss.item()  # waits for the device


def measure(batch: int, rounds: int, steps: int, device: torch.device) -> dict[Setting, list[tuple[float, float]]]:
    """Return, per setting and round, images per second and per CPU-second."""
    turns = {setting: training(setting, batch, device) for setting in SETTINGS}
    speeds: dict[Setting, list[tuple[float, float]]] = {setting: [] for setting in SETTINGS}
    for number in range(rounds + 1):
        for setting, turn in turns.items():
            own_steps = steps * (1 if setting.size == 112 else 3)  # turns of like length
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(own_steps):
                next(turn)
            images = own_steps * batch
            if number:  # the first round warms up
                speeds[setting].append((images / (time.perf_counter() - wall), images / (time.process_time() - cpu)))
    return speeds


def summary(speeds: dict[Setting, list[tuple[float, float]]]) -> list[dict[str, Any]]:
    """Return a row a setting."""
    rows = []
    for setting, own in speeds.items():
        base = speeds[Setting(setting.size, False, False)]
        wall = [pair[0] for pair in own]
        low, _, high = statistics.quantiles(wall, n=4)
        rows.append(
            {
                "size": setting.size,
                "setting": setting.name,
                "images_per_s": round(statistics.median(wall), 1),
                "quartiles": [round(low, 1), round(high, 1)],
                "images_per_cpu_s": round(statistics.median(pair[1] for pair in own), 1),
                "ratio": round(statistics.median(a[0] / b[0] for a, b in zip(own, base, strict=True)), 2),
                "ratio_cpu": round(statistics.median(a[1] / b[1] for a, b in zip(own, base, strict=True)), 2),
                "n": len(own),
            }
        )
    return rows


def table(rows: list[dict[str, Any]], conditions: dict[str, Any]) -> str:
    """Return the rows as Markdown."""
    machine = conditions["hardware"]
    lines = [
        "# Training speed of GLA-CNN",
        "",
        f"`{conditions['command']}`, torch {conditions['torch']}, batch {conditions['batch']}, on "
        f"{', '.join(machine['gpus']) if conditions['device'] == 'cuda' else machine['cpu']}, {machine['threads']} "
        f"threads, load of the machine {conditions['load_before']} before and {conditions['load_after']} after; "
        f"{rows[0]['n']} rounds in turns.",
        "",
        "| px | setting | images/s, median (quartiles) | ratio | images per CPU-second | ratio |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['size']} | {row['setting']} | {row['images_per_s']} ({row['quartiles'][0]}-{row['quartiles'][1]}) "
        f"| {row['ratio']} | {row['images_per_cpu_s']} | {row['ratio_cpu']} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=1, help="steps a turn at 112 px; three times as many at 64 px")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "train_speed")
    arguments = parser.parse_args()
    limit_threads()
    before = round(os.getloadavg()[0], 1)
    rows = summary(measure(arguments.batch, arguments.rounds, arguments.steps, torch.device(arguments.device)))
    conditions = {
        "command": " ".join(["python benchmarks/train_speed.py", *sys.argv[1:]]),
        "device": arguments.device,
        "batch": arguments.batch,
        "torch": version("torch"),
        "hardware": describe_hardware(),
        "load_before": before,
        "load_after": round(os.getloadavg()[0], 1),
    }
    text = table(rows, conditions)
    print(text)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.with_suffix(".json").write_text(json.dumps(conditions | {"rows": rows}, indent=1) + "\n")
    arguments.out.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
