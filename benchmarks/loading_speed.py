"""Measure what loading costs ResNet-18 at 112 px, and what cutting patches costs the landmark transformer.

    python benchmarks/loading_speed.py  # three minutes on two quiet cores; writes benchmarks/results/loading_speed.md

Both are ratios of steps that take turns within every round, so that what else the machine does falls on both alike: a
training step on batches of the data module, loaded and augmented as fau-train does it, against the same step on a batch
that is in memory already; and the cutting of patches alone against the whole training step that it is part of.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from fau.data.datamodule import FaceDataModule
from fau.data.sampling import TrainSampler
from fau.data.transform import BatchTransform
from fau.hardware import describe_hardware, limit_threads
from fau.nets.backbone import Backbone
from fau.nets.landmark_transformer import LandmarkTransformer
from fau.nets.output import Net
from fau.nets.patches import cut_patches, region_squares

PIXELS = 112
Batch = dict[str, torch.Tensor]


def batches(data: FaceDataModule) -> Iterator[Batch]:
    """Yield training batches of whole epochs, for ever."""
    loader, epoch = data.train_dataloader(), 0
    while True:
        if isinstance(loader.sampler, TrainSampler):
            loader.sampler.set_epoch(epoch)
        yield from loader
        epoch += 1


def trainer(net: Net) -> Callable[[Batch], None]:
    """Return a training step: transform, forward in bfloat16, loss, backward, optimiser."""
    net = net.to(memory_format=torch.channels_last).train()
    transform = BatchTransform(net.input_size, net.mean, net.std, False)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def step(batch: Batch) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            image = transform(batch["image"])
            points = [] if net.landmarks is None else [transform.points(batch["landmarks"], PIXELS)]
            logits = net(image, *points).logits
        loss = cross_entropy(logits.float(), batch["label"].argmax(1))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def turns(first: Callable[[], None], second: Callable[[], None], rounds: int) -> tuple[list[float], list[float]]:
    """Return seconds of both by round; the first round warms up and is left out."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for work, own in zip((first, second), seconds, strict=True):
            began = time.perf_counter()
            work()
            if number:
                own.append(time.perf_counter() - began)
    return seconds


def line(what: str, first: list[float], second: list[float], images: int, bar: str) -> str:
    """Return a line of the table: both medians, and the median of the rounds' ratios with its quartiles."""
    ratios = [a / b for a, b in zip(second, first, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    cells = [f"{1e3 * statistics.median(own):.0f}" for own in (first, second)]
    ratio = f"{100 * middle:.1f} % ({100 * low:.1f}-{100 * high:.1f})"
    return f"| {what} | {images} | {cells[0]} | {cells[1]} | {ratio} | {bar} | {len(ratios)} |"


def loading(crop_set: str, batch: int, rounds: int) -> str:
    """Compare steps on loaded batches with steps on one that is there."""
    data = FaceDataModule(crop_set, label_set="affectnet8", batch_size=batch, augment="default")
    data.setup("fit")
    stream = batches(data)
    step = trainer(Backbone(8, "resnet18", input_size=PIXELS, attention=False))
    there = next(stream)
    loaded, bare = turns(lambda: step(next(stream)), lambda: step(there), rounds)
    return line("ResNet-18: step with loading, without", loaded, bare, batch, "90 % or more")


def cutting(crop_set: str, batch: int, rounds: int) -> str:
    """Compare the cutting of patches with the whole step."""
    data = FaceDataModule(crop_set, label_set="affectnet8", batch_size=batch, landmarks="68", augment=None)
    data.setup("fit")
    there = next(batches(data))
    net = LandmarkTransformer(8, input_size=PIXELS, landmarks="68", filters=16)
    step = trainer(net)
    transform = BatchTransform(net.input_size, net.mean, net.std, False)

    def cut() -> None:
        image, points = transform(there["image"]), transform.points(there["landmarks"], PIXELS)
        began = time.perf_counter()
        cut_patches(image, region_squares(points, net.landmarks or "68", net.margin), net.patch, net.samples)
        own.append(time.perf_counter() - began)

    own: list[float] = []
    whole, _ = turns(lambda: step(there), cut, rounds)
    return line("landmark transformer: whole step, patches cut", whole, own[1:], batch, "less than 5 %")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crop-set", default="synthetic", help="of 112 px, with expressions and landmarks")
    parser.add_argument("--batch", type=int, default=64, help="of the loading; patches are cut for 256")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--note", default="", help="what to say of the machine, such as other load")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "loading_speed.md")
    arguments = parser.parse_args()
    limit_threads()
    before = round(os.getloadavg()[0], 1)
    lines = [
        loading(arguments.crop_set, arguments.batch, arguments.rounds),
        cutting(arguments.crop_set, 4 * arguments.batch, max(arguments.rounds // 3, 2)),
    ]
    machine = describe_hardware()
    text = "\n".join(
        [
            "# What loading and cutting patches cost",
            "",
            f"`{' '.join(['python benchmarks/loading_speed.py', *sys.argv[1:]])}`, {date.today()}, torch "
            f"{version('torch')}, bf16-mixed, on {machine['cpu']}, {torch.get_num_threads()} threads; load of the "
            f"machine {before} before and {round(os.getloadavg()[0], 1)} after. {arguments.note}".rstrip(),
            "",
            "| first, second | images | ms, first | ms, second | second / first, median (quartiles) | bar | rounds |",
            "|:--|--:|--:|--:|--:|:--|--:|",
            *lines,
            "",
            "The ratio of the first line is the step rate with loading as a share of the rate without.",
        ]
    )
    print(text)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
