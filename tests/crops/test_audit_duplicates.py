"""Copies and look-alikes: found where they were put, and nowhere else."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from audit_crops import write_crops
from hypothesis import given, settings
from hypothesis import strategies as st

from fau.crops.audit_duplicates import find_duplicates
from fau.crops.lookalikes import near
from fau.crops.store import CropSet


def put(changes: dict[int, Any], tmp_path: Path, **size: int) -> CropSet:
    def change(crops: np.ndarray, rows: list[dict[str, Any]]) -> None:
        for target, crop in changes.items():
            crops[target] = crop(crops)

    return write_crops(tmp_path / "set", change=change, **size)


def pressed(crop: np.ndarray, quality: int = 40) -> np.ndarray:
    """The crop after JPEG compression."""
    return cv2.imdecode(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def test_different_pictures_are_none(tmp_path: Path) -> None:
    found = find_duplicates(write_crops(tmp_path / "set", groups=40, frames=10))
    assert (found.copies, found.alike, found.pairs) == (0, 0, ())


def test_copies_within_a_group_and_across(tmp_path: Path) -> None:
    # 4 frames a group: 1 is a copy of 0 in its own group, 9 and 20 are copies of 2 in other groups.
    found = find_duplicates(put({1: lambda c: c[0], 9: lambda c: c[2], 20: lambda c: c[2]}, tmp_path))
    assert (found.copies, found.copies_across) == (3, 2)
    assert (found.alike, found.clusters) == (3, 1)
    [pair] = found.pairs
    assert {pair.first, pair.second} < {2, 9, 20} and pair.distance == 0


@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(pressed, id="compressed again"),
        pytest.param(lambda crop: np.clip(crop.astype(int) + 9, 0, 255).astype(np.uint8), id="brighter"),
        pytest.param(lambda crop: cv2.resize(cv2.resize(crop, (32, 32)), (48, 48)), id="scaled down and up"),
    ],
)
def test_altered_copies_look_alike(alter: Any, tmp_path: Path) -> None:
    found = find_duplicates(put({13: lambda c: alter(c[6])}, tmp_path))
    assert (found.copies, found.alike, found.clusters) == (0, 2, 1)
    assert (found.pairs[0].first, found.pairs[0].second) == (6, 13)


def test_frames_of_one_group_may_look_alike(tmp_path: Path) -> None:
    found = find_duplicates(put({5: lambda c: pressed(c[4]), 6: lambda c: pressed(c[4], 60)}, tmp_path))
    assert (found.copies, found.alike) == (0, 0)


def test_flat_pictures_are_one_set(tmp_path: Path) -> None:
    """FER2013 has black images: in many groups, which must not make a pair of every two."""
    found = find_duplicates(put({i: lambda c: np.zeros_like(c[0]) for i in range(0, 24, 2)}, tmp_path))
    assert (found.copies, found.copies_across, found.alike, found.clusters) == (11, 11, 12, 1)


def test_equal_hashes_of_different_pictures_are_not_alike(tmp_path: Path) -> None:
    """Ramps of different slopes have one hash: every pixel is darker than its right neighbour."""
    ramp = np.repeat(np.repeat(np.linspace(0, 60, 48)[None, :, None], 48, 0), 3, 2)
    found = find_duplicates(
        put({2: lambda c: ramp.astype(np.uint8), 22: lambda c: (4 * ramp).astype(np.uint8)}, tmp_path)
    )
    assert (found.copies, found.alike) == (0, 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 3))
def test_banding_finds_every_pair_within_the_distance(seed: int, distance: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, 40, dtype=np.uint64, endpoint=False)
    for i in range(20):  # neighbours at 0 to 5 bits
        flips = rng.choice(64, rng.integers(0, 6), replace=False).astype(np.uint64)
        hashes[20 + i] = hashes[i] ^ np.bitwise_or.reduce(np.uint64(1) << flips, initial=np.uint64(0))
    hashes = np.unique(hashes)
    first, second = near(hashes, distance)
    expected = {
        (i, j) for i, j in combinations(range(len(hashes)), 2) if (hashes[i] ^ hashes[j]).bit_count() <= distance
    }
    assert set(zip(first.tolist(), second.tolist(), strict=True)) == expected


def test_one_crop_alone(tmp_path: Path) -> None:
    assert find_duplicates(write_crops(tmp_path / "set", groups=1, frames=1)).alike == 0
