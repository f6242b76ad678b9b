"""BP4D+ on a fake tree: archives of frames, uncoded tasks, a last column that is an action unit."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from faces import Faces
from trees import bp4dplus as fake

from fau.corpora.base import row_schema
from fau.corpora.bp4dplus import BP4DPlus
from fau.corpora.losses import NO_IMAGE, NOT_CODED, OCCLUDED
from fau.corpora.registry import corpus
from fau.errors import FauError
from fau.labels import AU_NAMES, au_column, intensity_column

CODED_TASKS = ("T1", "T7")
CODED_SUBJECTS = len(fake.SUBJECTS) - 1  # not F082


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    root = tmp_path_factory.mktemp("bp4dplus")
    fake.build(root, faces)
    return root


def test_every_code_of_every_row(root: Path) -> None:
    rows = BP4DPlus(root).list().rows
    assert rows.schema == row_schema(BP4DPlus.aus)
    assert len(BP4DPlus.aus) == 34 and set(BP4DPlus.aus) <= set(AU_NAMES)
    assert len(rows) == (CODED_SUBJECTS * len(CODED_TASKS) - 1) * fake.FRAMES
    for row in rows.iter_rows(named=True):
        s, t = fake.SUBJECTS.index(row["subject"]), fake.TASKS.index(row["sequence"].split("/")[1])
        for au in BP4DPlus.aus:
            code = fake.code(s, t, row["frame"] - 1, au)
            assert row[au_column(au)] == (None if code == 9 else code)
            intensity = (s + row["frame"] - 1) % 6 if au in (6, 10, 12, 14, 17) else None
            assert row[intensity_column(au)] == intensity


def test_the_last_column_is_an_action_unit(root: Path) -> None:
    listing = BP4DPlus(root).list()
    assert OCCLUDED not in listing.losses.counts
    assert 0 < listing.rows["au39"].sum() < len(listing.rows)


def test_losses_by_cause(root: Path) -> None:
    losses = BP4DPlus(root).list().losses
    uncoded = CODED_SUBJECTS * fake.FRAMES + len(fake.TASKS) * fake.FRAMES  # T2 of all, all of F082
    assert losses.counts == {NOT_CODED: uncoded, NO_IMAGE: fake.FRAMES}
    assert losses.frame.filter(cause=NO_IMAGE)["id"].to_list() == ["F041/T7/1", "F041/T7/2", "F041/T7/3"]


def test_frames_are_read_in_their_archives(root: Path) -> None:
    corpus_ = BP4DPlus(root)
    rows = corpus_.list().rows.filter(pl.col("subject").is_in(["F001", "F002"]))
    assert rows["path"][0] == "2D+3D/F001.zip/F001/T1/0001.jpg"
    assert rows.filter(subject="F002")["path"][0] == "2D+3D/F002.zip/F002/T1/001.jpg"
    pictures = [picture.image for picture in corpus_.pictures(rows)]
    assert len(pictures) == 12 and all(image is not None for image in pictures)


def test_it_is_found_by_name() -> None:
    assert corpus("bp4dplus") is BP4DPlus


def test_wrong_root(tmp_path: Path) -> None:
    with pytest.raises(FauError, match=r"no action unit codes of BP4D\+"):
        BP4DPlus(tmp_path).list()
