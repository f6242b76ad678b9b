"""Preparing a corpus: the rows, the crops, the reports, and the same bytes from any number of workers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest
from toy_corpus import COUNT, RESIZE, Toy, contents, damage, partial

from fau.corpora.tree import Tree
from fau.crops.align import Alignment, warp
from fau.crops.duplicates import difference_hash
from fau.crops.prepare import Report, prepare
from fau.crops.store import CropSet, check
from fau.errors import FauError


def test_a_corpus_becomes_a_crop_set(root: Path, tmp_path: Path) -> None:
    said: list[str] = []
    steps: list[tuple[int, int]] = []
    out = tmp_path / "deep" / "out"
    report = prepare(Toy(root), out, RESIZE, 0, said.append, lambda done, total: steps.append((done, total)))
    assert check(out) == []
    cropset = CropSet.open(out)
    manifest = cropset.manifest
    assert manifest["id"].to_list()[:2] == ["S1/A/000", "S1/A/001"] and len(manifest) == report.crops == COUNT
    assert manifest["au01"].to_list() == [k % 2 for k in range(COUNT)]
    assert manifest["group"].to_list() == manifest["subject"].to_list() == [f"S{k // 20 + 1}" for k in range(COUNT)]
    assert manifest["shard"].to_list() == [k // 20 for k in range(COUNT)]
    picture = cv2.imread(str(root / "S2/B/003.png"))[..., ::-1]
    matrix = Alignment("resize", 24).matrix(None, "none", None, picture.shape)
    assert matrix is not None and np.array_equal(cropset.crop(33), warp(np.ascontiguousarray(picture), matrix, 24))
    assert (cropset.info.corpus, cropset.info.landmark_set, cropset.info.size) == ("toy", "none", 24)
    assert cropset.info.recipe["alignment"] == Alignment("resize", 24).as_dict()
    assert str(tmp_path) not in json.dumps(cropset.info.recipe)
    assert steps[0] == (0, COUNT) and steps[-1] == (COUNT, COUNT)
    assert said[0] == "one of two layouts"
    assert said[1] == "Toy: 60 rows, 3 subjects, 6 sequences; left out: 1 x image without label"
    assert said[2].startswith("needs up to 1.2 MB in ") and "are free" in said[2]
    assert json.loads((out / "report.json").read_text())["lost"] == {"image without label": 1}
    assert (out / "losses.csv").read_text() == "cause,id\nimage without label,S0/A/000\n"
    assert not partial(out).exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_bytes_do_not_depend_on_the_workers(
    root: Path, tmp_path: Path, whole: dict[str, bytes], workers: int
) -> None:
    prepare(Toy(root), tmp_path / "out", RESIZE, workers)
    assert contents(tmp_path / "out") == whole


def test_reports_are_plain(root: Path, tmp_path: Path) -> None:
    report = prepare(Toy(root), tmp_path / "out", RESIZE, 0)
    assert Report(**json.loads((tmp_path / "out" / "report.json").read_text())) == report


def test_pictures_that_look_the_same_are_one_group(root: Path, tmp_path: Path) -> None:
    image = cv2.imread(str(root / "S1/A/003.png"))
    cv2.imwrite(str(root / "S2/A/007.png"), image, [cv2.IMWRITE_PNG_COMPRESSION, 0])  # other bytes, the same picture
    report = prepare(Toy(root, anonymous=True), tmp_path / "out", RESIZE, 0)
    manifest = CropSet.open(tmp_path / "out").manifest
    assert manifest["subject"].null_count() == COUNT
    groups = dict(manifest.select("id", "group").iter_rows())
    assert groups["S2/A/007"] == groups["S1/A/003"] == "S1/A/003" and len(set(groups.values())) == COUNT - 1
    assert (report.duplicates["groups"], report.duplicates["crops"]) == (1, 2)
    listed = (tmp_path / "out" / "duplicates.csv").read_text()
    assert listed == "group,id\nS1/A/003,S1/A/003\nS1/A/003,S2/A/007\n"


def test_what_else_the_owner_says_stands_beside_the_crops(root: Path, tmp_path: Path) -> None:
    """In the manifest's order, null where nothing is said, without the rows that were lost."""
    damage(root / "S1/A/004.png")
    report = prepare(Toy(root), tmp_path / "out", RESIZE, 0)
    extras = pl.read_parquet(tmp_path / "out" / "extras.parquet")
    assert (
        report.extras == ["age"] and extras["id"].to_list() == CropSet.open(tmp_path / "out").manifest["id"].to_list()
    )
    assert extras["age"].to_list() == [0, 1, 2, 3, *range(5, COUNT - 1), None]


@pytest.mark.parametrize(("copies", "together"), [("near", True), ("equal", False)])
def test_near_copies_are_one_group_unless_refused(root: Path, tmp_path: Path, copies: Any, together: bool) -> None:
    """A copy that was made darker: its hash differs in three bits."""
    image = cv2.imread(str(root / "S1/A/003.png"))
    image[:, 20:] = cv2.add(image[:, 20:], (6, 6, 6, 0))
    cv2.imwrite(str(root / "S2/A/007.png"), image)
    report = prepare(Toy(root, anonymous=True), tmp_path / "out", replace(RESIZE, copies=copies), 0)
    cropset = CropSet.open(tmp_path / "out")
    hashes = [difference_hash(cropset.crop(row)) for row in (3, 27)]
    assert 0 < (hashes[0] ^ hashes[1]).bit_count() <= 3
    groups = dict(cropset.manifest.select("id", "group").iter_rows())
    assert (groups["S2/A/007"] == groups["S1/A/003"]) is together
    assert report.duplicates["groups"] == int(together)
    assert cropset.info.recipe["copies"] == copies


def test_a_reader_that_gives_too_few_pictures(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few: Callable[..., Any] = lambda self, rows: iter([])  # noqa: E731
    monkeypatch.setattr(Toy, "pictures", few)
    with pytest.raises(RuntimeError, match="gave 0 pictures for 20 rows"):
        prepare(Toy(root), tmp_path / "out", RESIZE, 0)


def test_a_symlink_loop_is_a_sentence(root: Path) -> None:
    (root / "S1" / "again").symlink_to(root)
    with pytest.raises(FauError, match="is a symbolic link to a folder that contains it; remove the link"):
        list(Tree(root).walk())
