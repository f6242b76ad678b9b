"""Crop sets for the tests of audits: smooth pictures, all different, with labels that are easy to count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fau.crops.store import LANDMARK_POINTS, CropSet, CropSetInfo, CropSetWriter

AUS = (1, 2, 12)
CLASSES = ("neutral", "happiness", "fear")


def picture(seed: int, size: int = 48) -> NDArray[np.uint8]:
    """A smooth random picture."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (7, 7, 3)).astype(np.float32)
    return np.clip(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def write_crops(
    out: Path,
    groups: int = 6,
    frames: int = 4,
    size: int = 48,
    change: Callable[[NDArray[np.uint8], list[dict[str, Any]]], None] = lambda crops, rows: None,
    **about: Any,
) -> CropSet:
    """Write ``groups`` subjects of ``frames`` crops; ``change`` may alter them before."""
    settings = {"corpus": "none", "name": "mine", "recipe": {}, "size": size, "aus": AUS, "landmark_set": "68"} | about
    info = CropSetInfo(**settings)
    rows: list[dict[str, Any]] = []
    for i in range(groups * frames):
        group, frame = f"S{i // frames:03d}", i % frames
        rows.append(
            {
                **{"id": f"{group}/T{frame % 2}/{frame}", "group": group, "subject": group},
                **{"sequence": f"{group}/T{frame % 2}", "frame": frame, "expression": CLASSES[frame % 3]},
                **{"au01": frame % 2, "au02": None if frame == 0 else 1, "au12": int(i // frames == 0)},
                "au01_int": 3.0 * (frame % 2),
            }
        )
    crops = np.stack([picture(i, size) for i in range(len(rows))])
    change(crops, rows)
    points = np.random.default_rng(1).uniform(5, size - 5, (len(rows), LANDMARK_POINTS[info.landmark_set], 2))
    with CropSetWriter(out, info) as writer:
        writer.append(crops, points.astype(np.float32), rows)
    return CropSet.open(out)
