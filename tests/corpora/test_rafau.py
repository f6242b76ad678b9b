"""RAF-AU."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from faces import Faces
from trees import rafau as fake

from fau.corpora.losses import NO_IMAGE, NOT_ANNOTATED, NOT_CODED
from fau.corpora.rafau import RafAu
from fau.errors import FauError

AUS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26, 27, 43)


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    root = tmp_path_factory.mktemp("rafau") / "RAF-AU"
    fake.build(root, faces)
    return root


@pytest.fixture
def changed(tmp_path: Path, owners: Path) -> Path:
    shutil.copytree(owners, tmp_path / "raf")
    return tmp_path / "raf"


def _present(corpus: RafAu) -> dict[str, set[int]]:
    rows = corpus.list().rows
    return {row["id"]: {au for au in corpus.aus if row[f"au{au:02d}"] == 1} for row in rows.iter_rows(named=True)}


def test_codes_are_joined_by_number(owners: Path) -> None:
    corpus = RafAu(owners)
    assert corpus.aus == AUS
    listing = corpus.list()
    present = _present(corpus)
    assert len(present) == len(fake.LABELS) - 3  # one has no image, two are null
    assert present["0001"] == {1, 2, 25, 26}
    assert present["0003"] == {12, 14}  # one side counts
    assert present["0015"] == {4}  # 44 is no action unit
    assert present["0022"] == {10, 12}
    columns = [f"au{au:02d}" for au in AUS]
    assert listing.rows.select(columns).null_count().sum_horizontal().item() == 0
    assert listing.rows.select([f"{c}_int" for c in columns]).null_count().sum_horizontal().item() == len(present) * 19
    assert listing.losses.counts == {NOT_CODED: 1, NO_IMAGE: 1, NOT_ANNOTATED: 2}
    assert set(listing.losses.frame["id"]) == {"9999", "6", "0002", "0011"}
    assert any("44 (1)" in sentence for sentence in listing.found)


def test_null_may_mean_absent(owners: Path) -> None:
    present = _present(RafAu(owners, null="absent"))
    assert present["0002"] == present["0011"] == set()
    assert len(present) == len(fake.LABELS) - 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0030.jpg 1+x", "line 25 of RAFAU_label.txt"),
        ("0030.jpg", "line 25"),
        ("../0030.jpg 1", "line 25"),
        ("0001.jpg 4", "labels '0001.jpg' a second time"),
    ],
)
def test_bad_labels_are_refused(changed: Path, line: str, message: str) -> None:
    with (changed / "RAFAU_label.txt").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(FauError, match=message):
        RafAu(changed)


def test_a_wrong_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FauError, match=r"has no RAFAU_label\.txt"):
        RafAu(tmp_path)
