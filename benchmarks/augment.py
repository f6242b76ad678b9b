"""Time the augmentation of training crops beside the PIL + torchvision pipelines that peers use.

    python benchmarks/augment.py

Every pipeline gets the same uint8 crops of 112 px out of memory, one thread, no workers. Rounds are interleaved, so
that a busy machine slows all alike; a figure is the median over rounds of images per second of processor time.

Rows:

* ours: the default recipe (flip, similarity, colour jitter) with 68 landmarks; uint8 out, as batches travel;
* ours + float: the same, then float, normalised, channels first, as peers' pipelines end;
* A.Affine: albumentations' own affine in place of ours, for what it costs;
* peers: PIL Resize, RandomCrop, RandomHorizontalFlip, ColorJitter, ToTensor, Normalize (the form of ME-GraphAU's),
  which neither turns the face nor moves landmarks;
* peers, same transforms: PIL flip, RandomAffine, ColorJitter, ToTensor, Normalize; it moves no landmarks either.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import torch
from PIL import Image
from torchvision import transforms as tv

from fau.data import augment
from fau.data.transform import BatchTransform

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCH = 64


@augment.recipe("benchmark-affine")
def _albumentations_affine() -> list[Any]:
    flip, _, jitter = augment._default()
    affine = augment.A.Affine(scale=(0.9, 1.1), rotate=(-10, 10), border_mode=cv2.BORDER_REPLICATE, p=1.0)
    return [flip, affine, jitter]


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def pipelines(size: int) -> dict[str, Callable[[np.ndarray, np.ndarray, int], Any]]:
    normalise = BatchTransform(size, MEAN, STD)
    end = [tv.ToTensor(), tv.Normalize(MEAN, STD)]
    jitter = tv.ColorJitter(0.2, 0.2, 0.2)
    resize, crop = tv.Resize(round(size * 256 / 224)), tv.RandomCrop(size)
    peers = tv.Compose([resize, crop, tv.RandomHorizontalFlip(), jitter, *end])
    affine = tv.RandomAffine(10, scale=(0.9, 1.1), interpolation=tv.InterpolationMode.BILINEAR)
    alike = tv.Compose([tv.RandomHorizontalFlip(), affine, jitter, *end])

    def ours(name: str) -> Callable[[np.ndarray, np.ndarray, int], torch.Tensor]:
        augmenter = augment.Augmenter(name, 0, "68")

        def run(crops: np.ndarray, points: np.ndarray, epoch: int) -> torch.Tensor:
            images = crops.copy()
            augmenter(images, points.copy(), np.arange(len(images)), epoch)
            return torch.from_numpy(images)

        return run

    def theirs(compose: tv.Compose) -> Callable[[np.ndarray, np.ndarray, int], torch.Tensor]:
        return lambda crops, points, epoch: torch.stack([compose(Image.fromarray(crop)) for crop in crops])

    default = ours("default")
    return {
        "ours": default,
        "ours + float": lambda crops, points, epoch: normalise(default(crops, points, epoch)),
        "A.Affine": ours("benchmark-affine"),
        "peers": theirs(peers),
        "peers, same transforms": theirs(alike),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Images per second and core of augmentation pipelines")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batches", type=int, default=4, help="batches of 64 a round")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    count = BATCH * arguments.batches
    noise = rng.integers(0, 256, (count, arguments.size, arguments.size, 3), dtype=np.uint8)
    crops = np.stack([cv2.GaussianBlur(crop, (0, 0), 3) for crop in noise])
    points = rng.uniform(0, arguments.size, (count, 68, 2)).astype(np.float32)
    runs = pipelines(arguments.size)
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for epoch in range(arguments.rounds + 1):
        for name, run in runs.items():
            started = time.process_time()
            for start in range(0, count, BATCH):
                run(crops[start : start + BATCH], points[start : start + BATCH], epoch)
            if epoch:  # the first round warms up
                rates[name].append(count / (time.process_time() - started))
    print(
        f"{arguments.size} px, n = {arguments.rounds} interleaved rounds of {count} images, "
        f"one thread of {processor()} ({psutil.cpu_count(logical=True)} cores)\nPython {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in ("albumentations", "torchvision", "pillow", "numpy"))
    )
    medians = {name: float(np.median(rate)) for name, rate in rates.items()}
    print(f"{'pipeline':24s} {'images/s':>9s} {'quartiles':>15s} {'x peers':>8s}")
    for name, rate in rates.items():
        low, high = np.percentile(rate, [25, 75])
        print(f"{name:24s} {medians[name]:9.0f} {low:7.0f}-{high:<7.0f} {medians[name] / medians['peers']:8.2f}")


if __name__ == "__main__":
    main()
