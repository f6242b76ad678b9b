"""ExpW."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from faces import Faces
from trees import expw as fake

from fau.corpora.expw import CLASSES, ExpW
from fau.corpora.losses import DUPLICATE, NO_IMAGE, NOT_CODED
from fau.errors import FauError


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    root = tmp_path_factory.mktemp("expw")
    fake.build(root, faces)
    return root


def test_faces_boxes_and_what_is_lost(owners: Path) -> None:
    corpus = ExpW(owners)
    listing = corpus.list()
    faces = [(p, f) for p in range(fake.PICTURES) for f in range(2 if p % 3 == 0 else 1) if p not in (5, 6)]
    assert listing.rows["id"].to_list() == [f"{fake.name(p)}/{f}" for p, f in faces]
    assert listing.rows["expression"].to_list() == [CLASSES[fake.code(p, f)] for p, f in faces]
    second = listing.rows.filter(pl.col("id") == f"{fake.name(3)}/1").row(0, named=True)
    assert [second[f"face_{k}"] for k in "xywh"] == [99, 5, 87, 88]
    assert listing.losses.counts == {DUPLICATE: 1, "two labels for one face": 1, NOT_CODED: 2, NO_IMAGE: 2}
    lost = listing.losses.frame
    assert set(lost.filter(lost["cause"] == NO_IMAGE)["id"]) == {f"{fake.name(6)}/0", f"{fake.name(6)}/1"}
    assert set(lost.filter(lost["cause"] == NOT_CODED)["id"]) == {fake.name(77), fake.name(5)}
    image = next(corpus.pictures(listing.rows.head(1))).image
    assert image is not None
    assert image.shape == (96, 192, 3)


def test_pictures_whose_ending_is_in_capitals(tmp_path: Path, owners: Path) -> None:
    root = tmp_path / "expw"
    shutil.copytree(owners, root)
    for file in list((root / "image" / "origin").rglob("*.jpg"))[::2]:
        file.rename(file.with_suffix(".JPG"))
    found, plain = ExpW(root).list(), ExpW(owners).list()
    assert set(found.rows["id"]) == set(plain.rows["id"])
    assert found.rows["path"].str.ends_with(".JPG").any() and found.losses.counts == plain.losses.counts


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nowhere.jpg 1 5 3 90 93 95.5 7", "label.lst holds the unknown code '7.0'"),
        (f"{fake.name(1)} 1 5 3 90 93 95.5", "line 35 of label/label.lst"),
        ("../../etc/x.jpg 0 5 3 90 93 95.5 1", "no path inside its folder"),
    ],
)
def test_bad_labels_are_refused(tmp_path: Path, owners: Path, line: str, message: str) -> None:
    root = tmp_path / "expw"
    shutil.copytree(owners, root)
    with (root / "label" / "label.lst").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(FauError, match=message):
        ExpW(root).list()


def test_a_wrong_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FauError, match=r"has no label/label\.lst"):
        ExpW(tmp_path).list()
