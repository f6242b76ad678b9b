"""Simulate a sweep of 1,000 trials on BP4D on 1, 8 and 64 GPUs: hours, where they go, what saturates first.

    python benchmarks/scaling.py [--trials 1000] [--disk 1.0] [--cores 8] [--markdown FILE]

Nothing here was timed on a GPU. Every input below says whether it is MEASURED (two cores of an AMD EPYC, 2026-11-22),
PUBLISHED by others, or ASSUMED; change the assumptions by the options. A trial is one fold of one network; its stages
follow each other, since training waits for its loader, its checkpoint and its evaluation. Trials go to the first free
GPU in the order of the grid, with durations that scatter by 5 % (ASSUMED).
"""

from __future__ import annotations

import argparse
import heapq
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Published: 146,847 coded frames, 41 subjects. Three folds; a fifth of the training subjects validate (fau's default).
FRAMES = 146_847
TEST, VALIDATION = FRAMES / 3, FRAMES * 2 / 3 * 0.2
TRAINING = FRAMES * 2 / 3 - VALIDATION
CROP_SET = FRAMES * 256 * 256 * 3  # bytes: uint8 crops of 256 px, one crop set for all networks

# MEASURED, benchmarks/results: augmentation, images a second and core, by the pixels of a side (augment.md). Between
# them, in proportion to the area.
AUGMENTED = {112: 3654.0, 224: 1493.0}
# s that a forked trial takes beyond training and testing, and s of the processor that a process of
# its own takes with a batch of each (sweep_overhead.md).
FORK, PROCESS = 0.69, 9.7
REPORT = 7.7  # s of the processor for 1,000 runs (report_speed.md)

# PUBLISHED: training of ResNet-50 at 224 px in mixed precision, images a second on one GPU.
GPUS = {
    "V100": 893.0,  # NVIDIA, DeepLearningExamples, PyTorch ResNet50 v1.5, README as of container 19.10
    "A100": 2600.0,  # a user's report to timm, number 1491: mixed precision, channels_last
}
RESNET50 = 8.17  # GFLOP, benchmarks/results/bench.md
# PUBLISHED: what others' servers take. W&B: default limits of its dedicated cloud. Slurm: its guide to high throughput.
WANDB_REQUESTS, WANDB_RUNS, SLURM_STARTS = 500.0, 80.0, 500.0  # a second, of a project; a second, of a cluster

# ASSUMED.
STEP = 0.010  # s: no training step is shorter, however small the network
FORWARD = 3.0  # evaluation is so many times as fast as training
STATE = 12  # bytes of a checkpoint for each parameter: weights and the two moments of Adam, float32
BEST = 0.5  # share of the epochs that are the best so far, and are written twice
WANDB_EVERY = 15.0  # s between two requests of a run
NODE = 8  # GPUs of a machine
SCATTER = 0.05
AFTER = 1.0  # s for the metrics of a test fold and its files


@dataclass(frozen=True)
class Network:
    """A quarter of the sweep: GFLOP and parameters as in benchmarks/results/bench.md, the rest as in experiments/."""

    name: str
    side: int
    gflop: float
    parameters: float
    epochs: int
    batch: int


NETWORKS = (
    Network("GLA-CNN", 112, 0.40, 1.16e6, 8, 32),
    Network("ResNet-50", 224, 8.17, 23.5e6, 20, 64),
    Network("JAA-Net", 176, 17.51, 25.2e6, 12, 16),
    Network("ME-GraphAU, stage 2", 224, 9.23, 31.7e6, 20, 64),
)


@dataclass(frozen=True)
class Place:
    """Where the sweep runs: GPUs, their kind, cores for each of them, bytes a second of the shared disk."""

    gpus: int
    kind: str
    cores: int
    disk: float

    @property
    def nodes(self) -> int:
        """Machines."""
        return -(-self.gpus // NODE)

    def rate(self, net: Network) -> float:
        """Training images a second of one GPU, were loading free: in proportion to GFLOP, no step below ``STEP``."""
        return min(GPUS[self.kind] * RESNET50 / net.gflop, net.batch / STEP)

    def loaded(self, net: Network) -> float:
        """Images a second that a GPU's cores augment."""
        if net.side in AUGMENTED:
            return self.cores * AUGMENTED[net.side]
        return self.cores * AUGMENTED[224] * (224 / net.side) ** 2


def stages(net: Network, place: Place) -> dict[str, float]:
    """Return the seconds of a trial by what they are spent on; waiting for a full disk is not in it."""
    rate, loaded = place.rate(net), place.loaded(net)
    written = net.parameters * STATE * net.epochs * (1 + BEST)
    evaluated = VALIDATION * net.epochs + TEST + VALIDATION
    return {
        "training": net.epochs * TRAINING / rate,
        "waiting for images": net.epochs * TRAINING * max(0.0, 1 / loaded - 1 / rate),
        "evaluation": evaluated / min(FORWARD * rate, loaded) + AFTER,
        "checkpoints": written / place.disk,
        "start": FORK if place.gpus <= NODE else PROCESS,
    }


def demand(place: Place) -> dict[str, tuple[float, float]]:
    """Return the load that all GPUs at work put on each thing that may saturate, and what it can take."""
    seconds = np.array([sum(stages(net, place).values()) for net in NETWORKS])
    bytes_written = sum(net.parameters * STATE * net.epochs * (1 + BEST) for net in NETWORKS)
    images = sum(net.epochs * TRAINING for net in NETWORKS)
    worst = max(NETWORKS, key=lambda net: place.rate(net) / place.loaded(net))
    return {
        f"a GPU's {place.cores} cores: augmentation for the fastest network": (place.rate(worst), place.loaded(worst)),
        "shared disk: checkpoints, MB/s": (place.gpus * bytes_written / seconds.sum() / 1e6, place.disk / 1e6),
        "shared disk: crops that no page cache holds, MB/s": (
            place.gpus * images / seconds.sum() * 256 * 256 * 3 / 1e6,
            place.disk / 1e6,
        ),
        "W&B: runs begun at once, in the first second": (float(place.gpus), WANDB_RUNS),
        "W&B: requests/s": (place.gpus / WANDB_EVERY, WANDB_REQUESTS),
        "Slurm: starts/s": (place.gpus / seconds.mean(), SLURM_STARTS),
    }


def simulate(place: Place, trials: int, seed: int = 0) -> tuple[float, dict[str, float]]:
    """Return the hours from the first start to the report, and the GPU hours by what they are spent on."""
    rng = np.random.default_rng(seed)
    load, most = demand(place)["shared disk: checkpoints, MB/s"]
    busy_disk = max(1.0, load / most)
    cold = CROP_SET / (place.disk / place.nodes)  # s: every machine reads the crop set once, all at the same time
    free = [(0.0, gpu) for gpu in range(place.gpus)]
    heapq.heapify(free)
    spent: dict[str, float] = defaultdict(float)
    warm: dict[int, float] = {}
    ends = []
    for number in range(trials):
        net = NETWORKS[number * len(NETWORKS) // trials]
        at, gpu = heapq.heappop(free)
        parts = stages(net, place)
        parts["checkpoints"] *= busy_disk
        scatter = float(np.exp(rng.normal(0, SCATTER)))
        parts = {what: seconds * scatter for what, seconds in parts.items()}
        # The first epoch reads what is not yet in the page cache; whoever comes meanwhile waits for the same bytes.
        ready = warm.setdefault(gpu // NODE, at + cold)
        first = (parts["training"] + parts["waiting for images"]) / net.epochs
        parts["first reading"] = max(0.0, ready - at - first)
        for what, seconds in parts.items():
            spent[what] += seconds
        ends.append(at + sum(parts.values()))
        heapq.heappush(free, (ends[-1], gpu))
    last = max(ends)
    spent["idle at the end"] = sum(last - at for at, _ in free)
    return (last + REPORT) / 3600, {what: seconds / 3600 for what, seconds in spent.items()}


def tables(arguments: argparse.Namespace) -> str:
    """Return what docs/scaling.md shows, as Markdown."""
    lines = []

    def table(*cells: object) -> None:
        lines.append(f"| {' | '.join(map(str, cells))} |")

    places = [Place(gpus, kind, arguments.cores, arguments.disk * 1e9) for kind in GPUS for gpus in arguments.gpus]
    for kind in GPUS:
        lines += ["", f"One trial on one {kind}, minutes:", ""]
        table("network", "images/s of the GPU", "images/s of its cores", *stages(NETWORKS[0], places[0]), "all")
        table(*([":--"] + ["--:"] * 8))
        place = Place(1, kind, arguments.cores, arguments.disk * 1e9)
        for net in NETWORKS:
            parts = stages(net, place)
            cells = [f"{seconds / 60:.1f}" for seconds in [*parts.values(), sum(parts.values())]]
            table(net.name, f"{place.rate(net):,.0f}", f"{place.loaded(net):,.0f}", *cells)
    lines += ["", f"{arguments.trials:,} trials, a quarter of each network:", ""]
    kinds = ["training", "waiting for images", "evaluation", "checkpoints", "start", "first reading", "idle at the end"]
    table("GPUs", "hours", "days", "speed-up over GPUs", *(f"{kind}, %" for kind in kinds), "report, s")
    table(*([":--"] + ["--:"] * (len(kinds) + 4)))
    alone: dict[str, float] = {}
    for place in places:
        hours, spent = simulate(place, arguments.trials)
        alone.setdefault(place.kind, hours * place.gpus)
        total = sum(spent.values())
        shares = [f"{100 * spent[kind] / total:.1f}" for kind in kinds]
        gain = f"{alone[place.kind] / (hours * place.gpus):.2f}"
        table(f"{place.gpus} {place.kind}", f"{hours:,.1f}", f"{hours / 24:.1f}", gain, *shares, REPORT)
    lines += ["", "Load over capacity, and the number of GPUs at which it is 1:", ""]
    table("what", *(f"{place.gpus} {place.kind}" for place in places), *(f"full at, {kind}" for kind in GPUS))
    table(*([":--"] + ["--:"] * (len(places) + len(GPUS))))
    rows = [list(demand(place).items()) for place in places]
    for index, (what, _) in enumerate(rows[0]):
        loads = [load / most for _, (load, most) in (row[index] for row in rows)]
        full = []
        for kind in GPUS:
            gpus, load = [(p.gpus, load) for p, load in zip(places, loads, strict=True) if p.kind == kind][-1]
            full.append(f"{load * arguments.cores:.1f} cores do" if "cores" in what else f"{gpus / load:,.0f}")
        table(what, *(f"{load:.2g}" for load in loads), *full)
    return "\n".join(lines[1:]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulate a sweep of BP4D on 1, 8 and 64 GPUs")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--cores", type=int, default=8, help="CPU cores for each GPU (assumed: 8)")
    parser.add_argument("--disk", type=float, default=1.0, help="GB/s of the shared disk (assumed: 1.0)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there")
    arguments = parser.parse_args()
    text = tables(arguments)
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
