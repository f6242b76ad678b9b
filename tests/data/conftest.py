"""A small crop set with random pixels and labels like a corpus of faces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fau.crops.store import LANDMARK_POINTS, CropSet, CropSetInfo, CropSetWriter
from fau.data.datamodule import FaceDataModule
from fau.labels import EXPRESSIONS, LABEL_SETS, au_column, intensity_column

AUS = LABEL_SETS["bp4d12"]
RATES = np.array([0.3, 0.2, 0.25, 0.5, 0.55, 0.6, 0.55, 0.45, 0.2, 0.35, 0.15, 0.15])


def _write_cropset(
    path: Path, groups: int = 15, frames: int = 16, size: int = 24, uncoded: float = 0.1, seed: int = 0, **info: Any
) -> Path:
    """Write ``groups`` subjects of ``frames`` crops; every tenth crop has no landmarks."""
    rng = np.random.default_rng(seed)
    about = CropSetInfo("fake", "fake", {"seed": seed}, size, AUS, **info)
    base = rng.uniform(0.2 * size, 0.8 * size, (478, 2))
    with CropSetWriter(path, about, shard_size=50) as writer:
        for group in range(groups):
            rows = []
            for frame in range(frames):
                intensity = np.where(rng.random(12) < RATES, rng.integers(2, 6, 12), rng.integers(0, 2, 12))
                coded = rng.random(12) >= uncoded
                row: dict[str, Any] = {
                    **{"id": f"S{group:03d}/{frame:03d}", "group": f"S{group:03d}", "subject": f"S{group:03d}"},
                    **{"sequence": f"S{group:03d}/T1", "frame": frame, "valence": 0.5 if frame % 2 else None},
                    "expression": EXPRESSIONS[min(7, int(rng.exponential(2)))] if frame % 4 else None,
                }
                for au, value, known in zip(AUS, intensity, coded, strict=True):
                    row[au_column(au)] = int(value >= 2) if known else None
                    row[intensity_column(au)] = float(value) if known else None
                rows.append(row)
            crops = rng.integers(0, 256, (frames, size, size, 3), dtype=np.uint8)
            points = (base + rng.normal(0, 0.3, (frames, 478, 2))).astype(np.float32)
            points[::10] = np.nan
            writer.append(crops, points[:, : LANDMARK_POINTS[about.landmark_set]], rows)
    return path


@pytest.fixture(scope="session")
def write_cropset() -> Callable[..., Path]:
    """Return the function that writes a crop set."""
    return _write_cropset


@pytest.fixture(scope="session")
def cropset_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write_cropset(tmp_path_factory.mktemp("data") / "fake")


@pytest.fixture(scope="session")
def cropset(cropset_path: Path) -> CropSet:
    return CropSet.open(cropset_path)


@pytest.fixture
def make_data(cropset_path: Path) -> Callable[..., FaceDataModule]:
    """Return a function that sets a data module up, with small defaults."""

    def make(**settings: Any) -> FaceDataModule:
        data = FaceDataModule(**({"crop_set": str(cropset_path), "folds": 3, "batch_size": 16} | settings))
        data.prepare_data()
        data.setup("fit")
        return data

    return make
