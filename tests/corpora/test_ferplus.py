"""FER+: votes joined to FER2013's pixels by row, or to pictures by name."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faces import Faces
from hypothesis import given
from hypothesis import strategies as st
from trees import fer2013
from trees import ferplus as fake

from fau.corpora.fer2013 import USAGES
from fau.corpora.ferplus import VOTES, FerPlus, _targets
from fau.corpora.losses import NO_IMAGE, NOT_A_FACE, NOT_ANNOTATED, NOT_CODED
from fau.errors import FauError

PLAIN = {row: VOTES[row % 7] for row in range(fer2013.ROWS) if row not in fake.VOTES}
MAJORITY = PLAIN | {6: "neutral", 9: "contempt"}
PLURALITY = MAJORITY | {4: "neutral", 5: "neutral", 10: "neutral"}


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    root = tmp_path_factory.mktemp("ferplus")
    fake.build(root, faces)
    return root


def _ids(expressions: dict[int, str]) -> dict[str, tuple[str, str]]:
    return {f"fer{row:07d}": (USAGES[fer2013.usage(row)], e) for row, e in sorted(expressions.items())}


def _rows(corpus: FerPlus) -> dict[str, tuple[str, str]]:
    return {i: (s, e) for i, s, e in corpus.list().rows.select("id", "split", "expression").iter_rows()}


def test_majority(owners: Path, faces: Faces) -> None:
    corpus = FerPlus(owners)
    assert _rows(corpus) == _ids(MAJORITY)
    listing = corpus.list()
    # no face: row 3 has no name, row 8 has most votes for it; unknown: 7; no majority: 4, 5, 10
    assert listing.losses.counts == {NOT_A_FACE: 2, NOT_ANNOTATED: 4}
    assert "no majority: 3 pictures" in listing.found
    image = list(corpus.pictures(listing.rows))[-1].image
    assert image is not None
    assert np.array_equal(image[..., 0], fer2013.grey(faces, 27))


def test_plurality(owners: Path) -> None:
    corpus = FerPlus(owners, target="plurality")
    assert _rows(corpus) == _ids(PLURALITY)
    listing = corpus.list()
    assert listing.losses.counts == {NOT_A_FACE: 2, NOT_ANNOTATED: 1}
    assert "a tie of most votes: 2 pictures" in listing.found
    assert sum(corpus.published.values()) == 28709 - 170 - 150


@pytest.mark.parametrize("target", ["majority", "plurality"])
def test_votes_are_extras(owners: Path, target: Any) -> None:
    listing = FerPlus(owners, target=target).list()
    assert listing.extras is not None and listing.extras.columns == ["id", *(f"votes_{vote}" for vote in VOTES)]
    assert listing.extras["id"].to_list() == listing.rows["id"].to_list()
    assert listing.extras.rows() == [(name, *fake.votes(int(name[3:]))) for name in listing.rows["id"]]


@pytest.mark.parametrize("new_csv", [True, False])
def test_pictures_by_name(tmp_path: Path, faces: Faces, new_csv: bool) -> None:
    fake.build_pictures(tmp_path, faces, new_csv)
    corpus = FerPlus(tmp_path)
    assert _rows(corpus) == {i: v for i, v in _ids(MAJORITY).items() if i != "fer0000027"}
    listing = corpus.list()
    no_face = 2 if new_csv else 1  # the lists of folders leave out what has no name
    assert listing.losses.counts == {NOT_A_FACE: no_face, NOT_CODED: 1, NO_IMAGE: 1, NOT_ANNOTATED: 4}
    assert next(corpus.pictures(listing.rows)).image is not None


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("fer2013new.csv", "NF\n", "NF,bored\n", "foreign column 'bored'|no CSV"),
        ("fer2013new.csv", "neutral", "calm", "fer2013new.csv has the foreign column 'calm'"),
        ("fer2013new.csv", "PublicTest", "Public", "column Usage of fer2013new.csv holds the unknown value 'Public'"),
        ("fer2013new.csv", ",10,", ",11,", "holds the unknown code '11'"),
        ("fer2013new.csv", "PublicTest", "Training", "row 2 is Training in fer2013new.csv and PublicTest in fer2013"),
        ("fer2013new.csv", fake.line(27), "", "has 27 rows and fer2013.csv 28"),
    ],
)
def test_what_does_not_fit_is_refused(
    owners: Path, tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    root = tmp_path / "fer"
    shutil.copytree(owners, root)
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new, 1))
    with pytest.raises(FauError, match=message):
        FerPlus(root).list()


def test_swapped_rows_are_refused(owners: Path, tmp_path: Path) -> None:
    root = tmp_path / "fer"
    shutil.copytree(owners, root)
    header, first, second, *rest = (root / "fer2013.csv").read_text().splitlines(keepends=True)
    (root / "fer2013.csv").write_text("".join([header, second, first, *rest]))
    with pytest.raises(FauError, match=r"row 1 is Training in .* and PublicTest in .*not in the same order"):
        FerPlus(root).list()


def test_votes_without_pictures_and_neither_are_refused(owners: Path, tmp_path: Path) -> None:
    with pytest.raises(FauError, match=r"neither fer2013new\.csv nor"):
        FerPlus(tmp_path).list()
    shutil.copy(owners / "fer2013new.csv", tmp_path)
    with pytest.raises(FauError, match="holds no picture"):
        FerPlus(tmp_path).list()


@given(st.lists(st.integers(0, 10), min_size=10, max_size=10))
def test_a_majority_has_more_than_half_of_what_several_chose(votes: list[int]) -> None:
    codes, _ = _targets(np.array([votes]), "majority")
    kept = [vote if vote > 1 else 0 for vote in votes]
    half = [i for i, vote in enumerate(kept) if 2 * vote > sum(kept)]
    assert codes.tolist() == (half or [-1])
