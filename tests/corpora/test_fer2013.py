"""FER2013: the CSV of pixels, the challenge's CSV, folders of classes."""

from __future__ import annotations

import pickle
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from faces import Faces
from trees import fer2013 as fake

from fau.corpora.fer2013 import CLASSES, USAGES, Fer2013
from fau.corpora.losses import NOT_CODED
from fau.errors import FauError


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    root = tmp_path_factory.mktemp("fer2013")
    fake.build(root, faces)
    return root


def test_rows_of_the_csv(owners: Path) -> None:
    listing = Fer2013(owners).list()
    rows = listing.rows
    assert rows["id"].to_list() == [f"fer{row:07d}" for row in range(fake.ROWS)]
    assert rows["position"].to_list() == list(range(fake.ROWS))
    assert set(rows["path"]) == {"fer2013.csv"}
    assert rows["split"].to_list() == [USAGES[fake.usage(row)] for row in range(fake.ROWS)]
    assert rows["expression"].to_list() == [CLASSES[fake.code(row)] for row in range(fake.ROWS)]
    assert "all black, and kept: 1 picture" in listing.found
    assert not listing.losses.counts


@pytest.mark.parametrize("form", ["folder", "zip", "icml"])
def test_pictures_are_the_owners_pixels_in_any_order(form: str, owners: Path, tmp_path: Path, faces: Faces) -> None:
    root = owners
    if form == "zip":
        root = tmp_path / "fer.zip"
        with zipfile.ZipFile(root, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(owners / "fer2013.csv", "fer2013/fer2013.csv")
    elif form == "icml":
        fake.build_icml(tmp_path, faces)
        root = tmp_path
    corpus = Fer2013(root)
    rows = corpus.list().rows
    order = [3, 4, 9, 2, 2, 20, 0, 27]
    corpus = pickle.loads(pickle.dumps(corpus))
    pictures = list(corpus.pictures(rows[order]))
    again = list(pickle.loads(pickle.dumps(corpus)).pictures(rows[order]))  # with an open file behind it
    for row, picture, other in zip(order, pictures, again, strict=True):
        assert picture.image is not None
        assert picture.image.shape == (48, 48, 3)
        assert np.array_equal(picture.image, np.repeat(fake.grey(faces, row)[..., None], 3, 2))
        assert other.image is not None
        assert np.array_equal(picture.image, other.image)


def test_folders_map_by_name(tmp_path: Path, faces: Faces) -> None:
    fake.build_folders(tmp_path, faces)
    corpus = Fer2013(tmp_path)
    listing = corpus.list()
    wanted = {
        f"{'train' if fake.usage(r) == 'Training' else 'test'}/{fake.FOLDERS[fake.code(r)]}/{fake.usage(r)}_{r}": (
            USAGES[fake.usage(r)],
            CLASSES[fake.code(r)],
        )
        for r in range(fake.ROWS)
    }
    assert {i: (s, e) for i, s, e in listing.rows.select("id", "split", "expression").iter_rows()} == wanted
    assert Counter(listing.rows["split"]) == {"train": 14, "val": 7, "test": 7}
    assert listing.losses.counts == {NOT_CODED: 1}
    assert next(corpus.pictures(listing.rows)).image is not None


def test_folders_whose_files_do_not_tell_the_tests_apart(tmp_path: Path, faces: Faces) -> None:
    for part in ("train", "test"):
        (tmp_path / part / "happy").mkdir(parents=True)
        (tmp_path / part / "happy" / "im0.png").write_bytes(faces.png(0, 0, 48))
    listing = Fer2013(tmp_path).list()
    assert dict(listing.rows.select("id", "split").iter_rows()) == {
        "train/happy/im0": "train",
        "test/happy/im0": "test",
    }
    assert any("so that their folder is their part: 2 pictures" in sentence for sentence in listing.found)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("emotion,pixels", "emotion,age,pixels", "fer2013.csv has the foreign column 'age'"),
        ("emotion,", "", "has the columns pixels, Usage; it needs"),
        ("emotion,pixels,Usage", "", r"fer2013\.csv is empty, or begins with an empty line; fetch the file again"),
        ("\n3,", "\n8,", "column emotion of fer2013.csv holds the unknown code '8'"),
        (",PublicTest", ",Public", "unknown value 'Public'"),
        (",PublicTest", "", "line 3 of fer2013.csv has 2 cells instead of 3"),
    ],
)
def test_a_bad_csv_is_refused(owners: Path, tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (owners / "fer2013.csv").read_text()
    assert old in text
    (tmp_path / "fer2013.csv").write_text(text.replace(old, new, 1))
    with pytest.raises(FauError, match=message):
        Fer2013(tmp_path).list()


@pytest.mark.parametrize("pixels", ["1 2 3", " ".join(["300"] * 2304), " ".join(["7"] * 2303) + " x", ""])
def test_bad_pixels_are_a_fault_of_one_picture(tmp_path: Path, pixels: str) -> None:
    good = " ".join(["7"] * 2304)
    (tmp_path / "fer2013.csv").write_text(f"emotion,pixels,Usage\n0,{pixels},Training\n1,{good},Training\n")
    corpus = Fer2013(tmp_path)
    bad, fine = corpus.pictures(corpus.list().rows)
    assert bad.image is None
    assert bad.fault == "no 48 x 48 grey values"
    assert fine.image is not None
    assert (fine.image == 7).all()


def test_a_wrong_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FauError, match=r"holds neither fer2013\.csv"):
        Fer2013(tmp_path).list()


def test_published_counts_sum_up() -> None:
    counts = Fer2013.published
    assert sum(v for k, v in counts.items() if k.startswith("train/")) == 28709
    assert sum(counts[str(name)] for name in CLASSES.values()) == counts["crops"] == 35887
