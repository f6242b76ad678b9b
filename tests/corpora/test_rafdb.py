"""RAF-DB: the owner's layout and the community's."""

from __future__ import annotations

import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
from faces import Faces
from trees import rafdb as fake

from fau.corpora.losses import NO_IMAGE, NOT_CODED
from fau.corpora.rafdb import CLASSES, RafDb
from fau.errors import FauError


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    root = tmp_path_factory.mktemp("rafdb")
    fake.build(root, faces)
    return root


@pytest.fixture
def changed(tmp_path: Path, owners: Path) -> Path:
    shutil.copytree(owners, tmp_path / "raf")
    return tmp_path / "raf"


def _expected() -> dict[str, tuple[str, str]]:
    return {n: (n.split("_")[0], str(CLASSES[fake.code(fake.number(n))])) for n in fake.names()}


def test_the_owners_layout(owners: Path) -> None:
    corpus = RafDb(owners)
    listing = corpus.list()
    rows = listing.rows
    assert {i: (s, e) for i, s, e in rows.select("id", "split", "expression").iter_rows()} == _expected()
    assert rows["subject"].null_count() == rows["sequence"].null_count() == len(rows)
    assert listing.losses.counts == {NOT_CODED: 1, NO_IMAGE: 1}
    assert set(listing.losses.frame["id"]) == {"train_12271", "test_3068"}
    assert corpus.aligned
    pictures = list(pickle.loads(pickle.dumps(corpus)).pictures(rows.head(3)))
    assert [p.image.shape for p in pictures if p.image is not None] == [(100, 100, 3)] * 3


def test_attributes_are_extras(owners: Path, tmp_path: Path, faces: Faces) -> None:
    listing = RafDb(owners).list()
    assert listing.extras is not None
    assert sorted(listing.extras.rows()) == [
        ("test_0001", "unsure", "African-American", "0-3"),
        ("train_00001", "male", "Asian", "70+"),
        ("train_00002", "female", "Caucasian", "20-39"),
    ]
    assert "gender, race, age are known of 3 pictures" in listing.found
    assert any("of another shape, and not read: 1 file of attributes" in sentence for sentence in listing.found)
    fake.build_community(tmp_path, faces)
    assert RafDb(tmp_path).list().extras is None


def test_unpacked_is_the_same_and_twice_is_once(changed: Path, owners: Path) -> None:
    images = changed / "basic" / "Image"
    with zipfile.ZipFile(images / "aligned.zip") as archive:
        archive.extractall(images)
    both = RafDb(changed).list()
    assert any("there twice, such as unpacked and zipped: 36 images;" in sentence for sentence in both.found)
    (images / "aligned.zip").unlink()
    unpacked = RafDb(changed).list()
    wanted = RafDb(owners).list().rows.drop("path")
    assert both.rows.drop("path").equals(wanted)
    assert unpacked.rows.drop("path").equals(wanted)
    assert unpacked.rows["path"][0].startswith("basic/Image/aligned/")


def test_originals_by_option(changed: Path, faces: Faces) -> None:
    folder = changed / "basic" / "Image" / "original"
    folder.mkdir()
    (folder / "train_00001.jpg").write_bytes(faces.jpeg(0))
    corpus = RafDb(changed, images="original")
    assert corpus.list().rows["path"].to_list() == ["basic/Image/original/train_00001.jpg"]
    assert not corpus.aligned
    assert len(RafDb(changed).list().rows) == len(fake.names())


def test_the_communitys_layout(tmp_path: Path, faces: Faces) -> None:
    fake.build_community(tmp_path, faces)
    listing = RafDb(tmp_path).list()
    rows = listing.rows
    assert {i: (s, e) for i, s, e in rows.select("id", "split", "expression").iter_rows()} == _expected()
    assert not listing.losses.counts
    lists = tmp_path / "train_labels.csv"
    lists.write_text(lists.read_text().replace("train_00003_aligned.jpg,4", "train_00003_aligned.jpg,5"))
    with pytest.raises(FauError, match=r"line 4 of train_labels\.csv.*class 5, but it lies in folder 4"):
        RafDb(tmp_path).list()


def test_published_counts_sum_up() -> None:
    counts = RafDb.published
    assert counts["train/happiness"] + counts["test/happiness"] == counts["happiness"] == 5957
    assert sum(v for k, v in counts.items() if k.startswith("train/")) == 12271
    assert sum(v for k, v in counts.items() if k.startswith("test/")) == 3068


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train_99999.jpg 9", "list_patition_label.txt holds the unknown code '9'"),
        ("train_00001.jpg", "line 38 of .*list_patition_label.txt"),
        ("../../secret.jpg 1", "line 38"),
        ("train_00002.jpg 1", "two labels are given for train_00002"),
    ],
)
def test_bad_labels_are_refused(changed: Path, line: str, message: str) -> None:
    file = changed / "basic" / "EmoLabel" / "list_patition_label.txt"
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(FauError, match=message):
        RafDb(changed).list()


def test_the_compound_set_and_a_wrong_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FauError, match="holds no aligned picture of RAF-DB"):
        RafDb(tmp_path).list()
    file = tmp_path / "compound" / "EmoLabel" / "list_patition_label.txt"
    file.parent.mkdir(parents=True)
    file.write_text("train_0001.jpg 8\n")
    with pytest.raises(FauError, match="compound set"):
        RafDb(tmp_path).list()
