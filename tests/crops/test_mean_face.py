"""The mean of a crop set's crops, and what it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fau.crops import mean_face as module
from fau.crops.align import Alignment, warp
from fau.crops.mean_face import mean_face
from fau.crops.store import CropSet, CropSetInfo, CropSetWriter
from fau.errors import FauError
from fau.synthetic.identity import make_identity
from fau.synthetic.render import render
from fau.synthetic.view import sample_view


def store(path: Path, crops: NDArray[np.uint8]) -> CropSet:
    info: Any = CropSetInfo("test", "test", {}, crops.shape[1], (), landmark_set="none")
    with CropSetWriter(path, info, 4) as writer:
        rows = [{"id": str(i), "group": str(i)} for i in range(len(crops))]
        writer.append(crops, np.empty((len(crops), 0, 2), np.float32), rows)
    return CropSet.open(path)


def test_the_mean_over_shards_and_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (11, 16, 16, 3), dtype=np.uint8)
    cropset = store(tmp_path / "set", crops)
    np.testing.assert_array_equal(mean_face(cropset), np.round(crops.mean(0)))
    monkeypatch.setattr(module, "_CHUNK", 3)
    np.testing.assert_array_equal(mean_face(cropset), np.round(crops.mean(0)))


def test_a_limit_takes_evenly_spread_crops(tmp_path: Path) -> None:
    crops = np.random.default_rng(1).integers(0, 256, (10, 16, 16, 3), dtype=np.uint8)
    cropset = store(tmp_path / "set", crops)
    np.testing.assert_array_equal(mean_face(cropset, 5), np.round(crops[::2].mean(0)))
    np.testing.assert_array_equal(mean_face(cropset, 99), mean_face(cropset))
    with pytest.raises(FauError, match="a mean of 0 crops was asked for; give a limit of at least 1"):
        mean_face(cropset, 0)


@pytest.mark.slow
def test_alignment_makes_the_mean_sharper(tmp_path: Path) -> None:
    """The mean of aligned faces keeps eyes and mouth; that of the same faces cut by their boxes, as tilted, less."""
    detail = {}
    for name in ("canonical", "box"):
        crops = []
        for seed in range(16):
            rng = np.random.default_rng([94, seed])
            face = render(make_identity(rng), np.zeros(18, np.float32), sample_view(rng, roll=40), 96, rng)
            matrix = Alignment(name, 64).matrix(face.landmarks, "478", None, face.image.shape)
            assert matrix is not None
            crops.append(warp(face.image, matrix, 64))
        mean = mean_face(store(tmp_path / name, np.stack(crops)))
        assert mean.shape == (64, 64, 3) and mean.dtype == np.uint8
        grey = mean.mean(2)
        detail[name] = (grey - cv2.GaussianBlur(grey, (0, 0), 2))[20:58, 16:48].std()
    assert detail["canonical"] > 1.5 * detail["box"]
