"""Landmarks and faces of a prepared corpus: where they come from, which are taken, what they align."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from toy_corpus import COUNT, Seer, Toy

import fau.crops.work
from fau.crops.align import Alignment, move
from fau.crops.prepare import Settings, prepare
from fau.crops.store import CropSet, check


def test_the_corpus_landmarks_move_with_the_crop(root: Path, tmp_path: Path) -> None:
    report = prepare(Toy(root), tmp_path / "out", Settings(size=32, align="jaa", max_lost=0.5), 0)
    cropset = CropSet.open(tmp_path / "out")
    assert cropset.info.landmark_set == "68" and cropset.info.recipe["landmarks"] == "corpus"
    assert report.lost["image without landmarks"] == COUNT // 5
    points = Toy(root).landmarks(pl.DataFrame({"frame": [0]}))[0]
    matrix = Alignment("jaa", 32).matrix(points, "68", None, (40, 40))
    assert matrix is not None and np.allclose(cropset.landmarks([5])[0], move(points, matrix))


def test_a_crop_may_lack_landmarks_where_the_alignment_does_without(root: Path, tmp_path: Path) -> None:
    prepare(Toy(root), tmp_path / "out", Settings(size=24, align="box", margin=0.1), 0)
    landmarks = CropSet.open(tmp_path / "out").landmarks(range(COUNT))
    assert [np.isnan(points).all() for points in landmarks] == [k % 5 == 4 for k in range(COUNT)]


def test_odd_faces_are_counted(root: Path, tmp_path: Path) -> None:
    settings = Settings(size=24, landmarks="mediapipe", max_lost=0.5)
    report = prepare(Toy(root), tmp_path / "out", settings, 0, make_detector=Seer)
    assert report.faces == {"none": 1, "several": 1, "tiny": 1, "cut": 1}
    assert report.crops == COUNT - 3
    assert {cause: report.lost[cause] for cause in list(report.lost)[1:]} == {
        "no face": 1,
        "tiny face": 1,
        "face cut by the picture's edge": 1,
    }
    cropset = CropSet.open(tmp_path / "out")
    assert cropset.info.landmark_set == "478"
    assert cropset.info.recipe["faces"] == {"choose": "nearest", "smallest": 24.0, "detector": "seer"}
    assert check(tmp_path / "out") == []


def test_the_previous_face_is_that_of_the_sequence(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    choose = fau.crops.work.choose

    def spy(*args: Any, **kwargs: Any) -> Any:
        seen.append(kwargs["previous"])
        return choose(*args, **kwargs)

    monkeypatch.setattr(fau.crops.work, "choose", spy)
    prepare(Toy(root), tmp_path / "out", Settings(size=24, landmarks="mediapipe"), 0, make_detector=Seer)
    assert [i for i, previous in enumerate(seen) if previous is None] == [0, 10, 20, 30, 40, 50]


@pytest.mark.parametrize(
    ("align", "landmark_set", "expected"),
    [
        ("canonical", "68", "corpus"),
        ("canonical", "none", "mediapipe"),
        ("box", "none", "none"),
        ("resize", "none", "none"),
        ("resize", "68", "corpus"),
    ],
)
def test_where_landmarks_come_from(root: Path, tmp_path: Path, align: str, landmark_set: str, expected: str) -> None:
    corpus = Toy(root)
    corpus.landmark_set = landmark_set
    prepare(corpus, tmp_path / "out", Settings(size=24, align=align, max_lost=0.5), 0, make_detector=Seer)
    assert CropSet.open(tmp_path / "out").info.recipe["landmarks"] == expected


def test_aligned_crops_are_only_resized(root: Path, tmp_path: Path) -> None:
    corpus = Toy(root)
    corpus.aligned, corpus.landmark_set = True, "none"
    prepare(corpus, tmp_path / "out", Settings(), 0)
    info = CropSet.open(tmp_path / "out").info
    assert (info.recipe["alignment"]["name"], info.recipe["landmarks"], info.size) == ("resize", "none", 112)
