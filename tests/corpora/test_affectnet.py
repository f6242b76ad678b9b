from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from faces import SIZE, Faces
from trees import affectnet as tree

from fau.corpora.affectnet import LISTED_AGAIN, AffectNet
from fau.corpora.losses import NO_IMAGE, NOT_A_FACE, NOT_ANNOTATED, NOT_CODED
from fau.errors import FauError

HASH = "0" * 56
IMAGES = "Manually_Annotated/Manually_Annotated_Images"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    folder = tmp_path_factory.mktemp("affectnet")
    tree.build(folder, faces)
    return folder


@pytest.fixture
def own(tmp_path: Path, faces: Faces) -> Path:
    """A tree to spoil: one validation image."""
    tree.write(tmp_path / IMAGES / f"1/{HASH}.jpg", faces.jpeg(0))
    write_list(tmp_path, line())
    return tmp_path


def line(path: str = f"1/{HASH}.jpg", box: str = "1,2,30,40", points: str = "", labels: str = "1,0.5,-0.5") -> str:
    return f"{path},{box},{points},{labels}"


def write_list(root: Path, *lines: str, header: str = tree.HEADER) -> None:
    (root / "validation.csv").write_text("\n".join([header, *lines] if header else lines))


def image(row: dict[str, object]) -> int:
    return int(str(row["id"]).split("/")[1].split(".")[0], 16)


def test_lists_faces_with_labels(root: Path) -> None:
    listing = AffectNet(root).list()
    assert listing.losses.counts == {LISTED_AGAIN: 1, NOT_CODED: 1, NO_IMAGE: 1, NOT_A_FACE: 5, NOT_ANNOTATED: 7}
    assert listing.losses.unexpected == 2
    assert Counter(listing.rows["split"]) == {"train": 25, "test": 17}
    for row in listing.rows.iter_rows(named=True):
        number = image(row)
        assert row["id"] == tree.listed(number)
        assert row["path"] == f"{IMAGES}/{tree.listed(number)}"
        assert row["split"] == ("test" if number >= 1000 else "train")
        code = tree.code(number)
        assert row["expression"] == (tree.CLASSES[code] if code < 8 else None)
        valence, arousal = tree.affect(number)
        if valence == -2:
            assert row["valence"] is row["arousal"] is None
        else:
            np.testing.assert_allclose((row["valence"], row["arousal"]), (valence, arousal), atol=1e-6)
    rows = listing.rows
    assert rows["expression"].null_count() == 3  # of class 8, with valence and arousal
    assert rows["subject"].null_count() == rows["sequence"].null_count() == len(rows) == 42
    assert rows["path"].to_list() == sorted(rows["path"], key=lambda path: (path.split("/")[2], path))


def test_says_which_list_lacks_its_header(root: Path) -> None:
    found = AffectNet(root).list().found
    assert found == [
        "'Manually_Annotated_file_lists/validation.csv' lacks a header",
        "'Manually_Annotated_file_lists/training.csv' has a header",
    ]


def test_other_names_of_folders(tmp_path: Path, root: Path, faces: Faces) -> None:
    tree.build(tmp_path, faces, "Manual_Annot_files")
    (tmp_path / "Manually_Annotated").rename(tmp_path / "moved")
    (tmp_path / "moved/Manually_Annotated_Images").rename(tmp_path / "Manually_Annotated")
    rows = AffectNet(tmp_path).list().rows
    assert rows.drop("path").equals(AffectNet(root).list().rows.drop("path"))


def test_boxes_are_cut_at_the_left_and_top(root: Path) -> None:
    rows = AffectNet(root).list().rows
    boxes = {image(row): [row[f"face_{key}"] for key in "xywh"] for row in rows.iter_rows(named=True)}
    assert boxes[0] == [8, 8, SIZE - 16, SIZE - 16]
    assert boxes[1] == [0, 0, SIZE - 4, SIZE - 2]


@pytest.mark.parametrize("box", ["-1,-1,-1,-1", "-9,0,8,8", ",,,", "5,5,0,0"])
def test_a_box_without_area_is_none(own: Path, box: str) -> None:
    write_list(own, line(box=box))
    row = AffectNet(own).list().rows.row(0, named=True)
    assert [row[f"face_{key}"] for key in "xywh"] == [None] * 4


def test_automatic_annotations_train(root: Path) -> None:
    reader = AffectNet(root, automatic=True)
    rows = reader.list().rows
    extra = rows.filter(pl.col("id").str.starts_with("automatic/"))
    assert len(rows) == 42 + 1  # of the others one is of class 9 and one of class 10
    assert extra["split"].to_list() == ["train"]
    assert extra["path"].str.starts_with("Automatically_Annotated/Automatically_Annotated_Images/").all()
    assert "train/happiness" not in reader.published
    assert AffectNet(root).published["train/happiness"] == 134_415


def test_landmarks_by_image(root: Path, faces: Faces) -> None:
    reader = pickle.loads(pickle.dumps(AffectNet(root)))
    rows = reader.list().rows.reverse()
    points = reader.landmarks(rows)
    assert points.shape == (42, 68, 2)
    expected = [tree.points(image(row), faces) for row in rows.iter_rows(named=True)]
    np.testing.assert_allclose(points, expected, atol=0.006)
    again = pickle.loads(pickle.dumps(reader))
    np.testing.assert_array_equal(again.landmarks(rows[3:5]), points[3:5])


def test_a_row_without_landmarks_has_none(own: Path) -> None:
    reader = AffectNet(own)
    assert np.isnan(reader.landmarks(reader.list().rows)).all()


def test_images_are_opened_by_content(root: Path) -> None:
    reader = AffectNet(root)
    rows = reader.list().rows
    named = {image(row): i for i, row in enumerate(rows.iter_rows(named=True))}
    pictures = list(reader.pictures(rows))
    assert {ending.lower() for ending in tree.ENDINGS} == {row.split(".")[-1].lower() for row in rows["path"]}
    assert pictures[named[2]].image.shape == (SIZE, SIZE, 3)
    assert pictures[named[4]].image is None
    assert sum(picture.image is None for picture in pictures) == 1


def test_columns_follow_the_header(own: Path) -> None:
    write_list(
        own,
        f"-0.25,1,2,3,4,,6,1/{HASH}.jpg,0.75",
        header="arousal,face_x,face_y,face_width,face_height,facial_landmarks,expression,subDirectory_filePath,valence",
    )
    row = AffectNet(own).list().rows.row(0, named=True)
    assert (row["expression"], row["valence"], row["arousal"], row["face_h"]) == ("anger", 0.75, -0.25, 4)


def test_an_empty_list_is_no_fault_of_the_other(own: Path) -> None:
    (own / "training.csv").write_text("")
    assert len(AffectNet(own).list().rows) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (tree.HEADER + ",age\n" + line() + ",3", "validation.csv' has the foreign column 'age'"),
        (tree.HEADER.replace(",arousal", "") + "\n", "lacks the column 'arousal'"),
        (f"1/{HASH}.jpg,3", "has 2 columns and no header"),
        (tree.HEADER + "\n\n" + line(), "line 2 of .*validation.csv' is blank"),
        (tree.HEADER + "\n" + line() + "\n" + line()[:70], "line 3 of .*validation.csv' has 5 of 9 columns"),
        (tree.HEADER + "\n" + line(labels="11,0,0"), "unknown code '11'"),
        (tree.HEADER + "\n" + line(labels="happy,0,0"), "unknown code 'happy'"),
        (tree.HEADER + "\n" + line(labels="1,1.5,0"), "valence, holds the value '1.5'"),
        (tree.HEADER + "\n" + line(labels="1,0,x"), "arousal, holds the value 'x'"),
        (tree.HEADER + "\n" + line(box="a,1,1,1"), "face_x, holds 'a', which is no number"),
        (tree.HEADER + "\n" + line("../../etc/passwd"), "no path inside its folder"),
        (tree.HEADER + "\n" + line("/etc/passwd"), "no path inside its folder"),
        (tree.HEADER + "\n" + line("C:\\x.jpg"), "no path inside its folder"),
        (tree.HEADER + "\n" + line(""), "no path inside its folder"),
        (tree.HEADER + "\n" + line() + ",1,2", "is no table of comma-separated values"),
    ],
)
def test_a_foreign_list_is_refused(own: Path, text: str, message: str) -> None:
    (own / "validation.csv").write_text(text)
    with pytest.raises(FauError, match=message):
        AffectNet(own).list()


def test_an_ending_in_another_case_is_found(own: Path) -> None:
    for file in [*own.rglob("*.jpg")]:
        file.rename(file.with_suffix(".JPG"))
    write_list(own, line(points=";".join(["3"] * 136)))
    corpus_ = AffectNet(own)
    rows = corpus_.list().rows
    assert rows["path"].str.ends_with(".JPG").all()
    assert len(rows) == 1
    assert not np.isnan(corpus_.landmarks(rows)).any()


@pytest.mark.parametrize("points", ["1;2", ";".join(["x"] * 136)])
def test_foreign_landmarks_are_refused(own: Path, points: str) -> None:
    write_list(own, line(points=points))
    reader = AffectNet(own)
    rows = reader.list().rows
    with pytest.raises(FauError, match=r"other than 136 numbers as landmarks of '1/000"):
        reader.landmarks(rows)


def test_a_wrong_root_is_refused(own: Path) -> None:
    with pytest.raises(FauError, match=r"has no training.csv and no validation.csv"):
        AffectNet(own / "Manually_Annotated").list()
    with pytest.raises(FauError, match=r"no 'automatically_annotated.csv'; leave --automatic out"):
        AffectNet(own, automatic=True).list()
    (own / "copy").mkdir()
    (own / "validation.csv").rename(own / "copy/validation.csv")
    write_list(own, line())
    with pytest.raises(FauError, match=r"has several: validation.csv, copy/validation.csv; move all but one away"):
        AffectNet(own).list()
    (own / "copy/validation.csv").unlink()
    (own / IMAGES).rename(own / "elsewhere")
    with pytest.raises(FauError, match="has no folder 'manually_annotated_images'"):
        AffectNet(own).list()
