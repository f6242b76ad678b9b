"""Measure how training scales over the devices of one machine: images/s of 1, 2, 4 and 8, against one alone.

    python benchmarks/scaling_ddp.py                       # every GPU here; where there is none, two CPU processes
    python benchmarks/scaling_ddp.py --batch 256 --bf16    # samples of each device; precision as on a GPU by default

Each device is a process of a DDP group with a batch of its own of this size (weak scaling), held in its memory, so that
loading has no part. A step is fau's: forward, masked loss divided by the union batch's count, backward with the
gradients' average, Adam. A rate is the median over rounds, with the quartiles; the efficiency is the rate over that of
one device, over the number of devices. On a CPU's cores it shows that all works, and no more.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import multiprocessing
from torch.nn.parallel import DistributedDataParallel

from fau.hardware import describe_hardware
from fau.losses import masked_bce
from fau.modules.base import FaceModule
from fau.nets.gla import GLACNN

LABELS = 12


def process(rank: int, world: int, folder: str, options: argparse.Namespace) -> None:
    """Train as one process of a group and let the first write the images/s of each round."""
    cuda = options.device == "cuda"
    device = torch.device("cuda", rank) if cuda else torch.device("cpu")
    if not cuda:
        torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "nccl" if cuda else "gloo", f"file://{folder}/store-{world}", rank=rank, world_size=world
    )
    torch.manual_seed(0)
    layout = torch.channels_last
    net = GLACNN(LABELS, input_size=options.size).to(device).to(memory_format=layout)
    parallel = DistributedDataParallel(net, device_ids=[rank] if cuda else None) if world > 1 else net
    image = torch.randn(options.batch, 3, options.size, options.size, device=device).to(memory_format=layout)
    label = (torch.rand(options.batch, LABELS, device=device) < 0.3).float()
    mask = torch.rand(options.batch, LABELS, device=device) < 0.9
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    module = cast("FaceModule", SimpleNamespace(trainer=SimpleNamespace(world_size=world)))

    def steps(number: int) -> float:
        if cuda:
            torch.cuda.synchronize()
        torch.distributed.barrier()
        began = time.perf_counter()
        for _ in range(number):
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=options.bf16):
                logits = parallel(image).logits
            loss = FaceModule.union_mean(module, masked_bce(logits, label, mask))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        if cuda:
            torch.cuda.synchronize()
        torch.distributed.barrier()
        return world * options.batch * number / (time.perf_counter() - began)

    steps(options.warm_up)
    rates = [steps(options.steps) for _ in range(options.rounds)]
    if rank == 0:
        Path(folder, f"{world}.json").write_text(json.dumps(rates))
    torch.distributed.destroy_process_group()


def measure(worlds: list[int], options: argparse.Namespace) -> dict[int, list[float]]:
    """Return the images/s of each round for each number of devices."""
    with tempfile.TemporaryDirectory() as folder:
        rates = {}
        for world in worlds:
            multiprocessing.spawn(process, (world, folder, options), nprocs=world)  # type: ignore[no-untyped-call]
            rates[world] = json.loads(Path(folder, f"{world}.json").read_text())
        return rates


def table(rates: dict[int, list[float]], options: argparse.Namespace) -> str:
    """Return what was measured as Markdown."""
    machine: dict[str, Any] = describe_hardware()
    where = ", ".join(machine["gpus"]) if options.device == "cuda" else machine["cpu"]
    lines = [
        f"GLA-CNN, {options.size} px, {options.batch} images a device, {'bfloat16' if options.bf16 else 'float32'}, on "
        f"{where}; load of the machine {os.getloadavg()[0]:.1f}; {options.rounds} rounds of {options.steps} steps",
        "",
        "| devices | images/s, median (quartiles) | efficiency |",
        "|---|---|---|",
    ]
    alone = statistics.median(rates[min(rates)]) / min(rates)
    for world, found in rates.items():
        low, middle, high = statistics.quantiles(found, n=4) if len(found) > 1 else (found[0],) * 3
        lines.append(f"| {world} | {middle:.0f} ({low:.0f} to {high:.0f}) | {middle / world / alone:.0%} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    gpus = torch.cuda.device_count()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if gpus else "cpu")
    parser.add_argument("--devices", type=int, nargs="+", help="numbers of devices (1 2 4 8, as far as there are any)")
    parser.add_argument("--batch", type=int, help="images of each device (256; 16 on a CPU)")
    parser.add_argument("--size", type=int, help="side of the images in pixels (112; 64 on a CPU)")
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, help="bfloat16 (on a GPU)")
    parser.add_argument("--steps", type=int, help="steps of a round (50; 3 on a CPU)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=5, help="steps before the first round")
    options = parser.parse_args()
    cuda = options.device == "cuda"
    usual = {"batch": 256, "size": 112, "bf16": True, "steps": 50} if cuda else {"batch": 16, "size": 64, "steps": 3}
    for name, value in ({"bf16": False} | usual).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    worlds = options.devices or ([n for n in (1, 2, 4, 8) if n <= gpus] if cuda else [1, 2])
    print(table(measure(worlds, options), options))


if __name__ == "__main__":
    main()
