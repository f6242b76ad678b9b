from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from faces import Faces
from trees import emotionet as tree

from fau.corpora.emotionet import LISTED_AGAIN, EmotioNet
from fau.corpora.losses import DEAD_LINK, NOT_ANNOTATED, NOT_CODED
from fau.errors import FauError

ADDRESS = "http://example.org/Images/a/x.jpg"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    folder = tmp_path_factory.mktemp("emotionet")
    tree.build(folder, faces)
    return folder


@pytest.fixture
def own(tmp_path: Path, faces: Faces) -> Path:
    """A tree to spoil: one image."""
    tree.write(tmp_path / "Images/a/x.jpg", faces.jpeg(0))
    put(tmp_path, f"{ADDRESS}\tu\t1\t0\t999")
    return tmp_path


def put(root: Path, text: str) -> None:
    (root / "dataFile_0001.txt").write_text(text)


def number(row: dict[str, object]) -> int:
    return int(str(row["id"]).split("_")[1].split(".")[0])


def test_lists_images_that_are_there(root: Path) -> None:
    reader = EmotioNet(root)
    listing = reader.list()
    assert reader.aus == tree.CODED
    assert listing.losses.counts == {DEAD_LINK: 4, LISTED_AGAIN: 1, NOT_CODED: 1, NOT_ANNOTATED: 1}
    assert listing.losses.unexpected == 1
    frame = listing.losses.frame
    ids = {cause[0]: part["id"].to_list() for cause, part in frame.partition_by("cause", as_dict=True).items()}
    folder = "emotionNet_challenge_files_server_challenge_1.2"
    assert ids[DEAD_LINK] == [f"{folder}/dataFile_0003.txt line 14", *(tree.name(image) for image in tree.DEAD)]
    assert ids[NOT_CODED] == [f"Images/{tree.name(99)}"]
    assert ids[LISTED_AGAIN] == [tree.name(0)]
    assert ids[NOT_ANNOTATED] == [tree.name(tree.UNKNOWN)]
    assert len(listing.rows) == tree.IMAGES - 3 - 1
    for row in listing.rows.iter_rows(named=True):
        image = number(row)
        assert row["id"] == tree.name(image)
        assert row["path"] == f"Images/{tree.name(image)}"
        for au in tree.CODED:
            text = tree.code(image, au)
            assert row[f"au{au:02d}"] == (int(text) if text in ("0", "1") else None)
    assert listing.rows["au01"].null_count() == listing.rows["au04"].null_count() == 1
    assert "au60" not in listing.rows.columns
    assert "au03" not in listing.rows.columns


def test_images_may_lie_elsewhere_and_flat(root: Path, tmp_path: Path) -> None:
    for file in (root / "Images").rglob("*.jpg"):
        tree.write(tmp_path / file.name, file.read_bytes())
    reader = EmotioNet(root, images=str(tmp_path))
    rows = reader.list().rows
    assert rows.drop("path").equals(EmotioNet(root).list().rows.drop("path"))
    assert rows["path"].to_list() == [name.split("/")[1] for name in rows["id"]]
    again = pickle.loads(pickle.dumps(reader))
    assert all(picture.image is not None for picture in again.pictures(rows[:3]))


@pytest.mark.parametrize("folder", ["Images/a", "Images"])
def test_an_image_whose_ending_is_in_capitals(own: Path, folder: str) -> None:
    """Found by folder and file, and by file alone."""
    (own / "Images/a/x.jpg").rename(own / folder / "x.JPG")
    rows = EmotioNet(own).list().rows
    assert rows.select("id", "path").rows() == [("a/x.jpg", f"{folder}/x.JPG")]


def test_columns_follow_a_header(own: Path) -> None:
    put(own, f'URL\tother\tAU12\tAU 60\t"25"\tAU1\n{ADDRESS}\tu\t1\t1\t0\t999')
    reader = EmotioNet(own)
    row = reader.list().rows.row(0, named=True)
    assert reader.aus == (12, 25)
    assert (row["au12"], row["au25"]) == (1, 0)


def test_an_empty_list_is_no_fault_of_the_others(own: Path) -> None:
    (own / "dataFile_0002.txt").write_text("\n")
    reader = EmotioNet(own)
    assert reader.list().rows.select("au01", "au02").rows() == [(1, 0)]
    assert reader.aus == (1, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{ADDRESS}\tu\t1\t7", r"dataFile_0001.txt', AU2, holds the unknown code '7'; known are 0, 1, and 999"),
        (f"{ADDRESS}\tu\t1\tx", "unknown code 'x'"),
        (f"{ADDRESS} u 1 0", "has 1 tab-separated columns"),
        (f"URL\tother\tAU1\tage\n{ADDRESS}\tu\t1\t30", "has the column 'age', where numbers of action units are due"),
        (f"{ADDRESS}\tu\t1\n{ADDRESS}\tu\t1\t0", r"dataFile_0001.txt' is no table of 3 columns"),
        (f"{ADDRESS}\tu\t1\nnothing\tu\t1", "has 'nothing', where the address of an image is due"),
        ("http://example.org/Images/../x.jpg\tu\t1", "names '../x.jpg', which is no path inside its folder"),
        ("http://example.org/Images/a/y.jpg\tu\t1", "say with --images where they are"),
    ],
)
def test_foreign_lists_are_refused(own: Path, text: str, message: str) -> None:
    put(own, text)
    with pytest.raises(FauError, match=message):
        EmotioNet(own).list()


def test_a_wrong_root_is_refused(own: Path) -> None:
    with pytest.raises(FauError, match=r"has no dataFile_\*.txt"):
        EmotioNet(own / "Images").list()
    with pytest.raises(FauError, match="has no folder 'pictures'"):
        EmotioNet(own, images="pictures").list()
