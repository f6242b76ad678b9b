from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from faces import Faces
from trees import jaanet as tree

from fau.corpora.jaanet import JAANet
from fau.corpora.losses import NO_IMAGE, NOT_ANNOTATED
from fau.errors import FauError

LABELS = " ".join("0" * 12) + "\n"
POINTS = " ".join(["1.5"] * 98) + "\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    folder = tmp_path_factory.mktemp("jaanet")
    tree.build(folder, faces)
    return folder


@pytest.fixture
def own(tmp_path: Path, faces: Faces) -> Path:
    """A tree to spoil: one crop."""
    tree.write(tmp_path / "data/imgs/BP4D/F001/T1/0005.jpg", faces.jpeg(0))
    for name, text in (("path", "BP4D/F001/T1/0005.jpg\n"), ("AUoccur", LABELS), ("land", POINTS)):
        put(tmp_path, name, text)
    return tmp_path


def put(root: Path, name: str, text: str, prefix: str = "BP4D_part1") -> None:
    tree.write(root / f"data/list/{prefix}_{name}.txt", text.encode())


def frame_of(row: dict[str, object]) -> tree.Frame:
    return str(row["subject"]), int(str(row["sequence"])[-1]), int(str(row["frame"]))


@pytest.mark.parametrize(("stage", "folder"), [("aligned", "data/imgs"), ("raw", "dataset"), ("auto", "data/imgs")])
def test_lists_each_frame_once(root: Path, stage: str, folder: str) -> None:
    reader = JAANet(root, stage=stage)
    listing = reader.list()
    assert (reader.aligned, reader.landmark_set, reader.protocol) == (stage != "raw", "49", "bp4d3-jaa")
    assert reader.aus == tree.AUS
    assert listing.losses.counts == {NO_IMAGE: 1, NOT_ANNOTATED: 1}
    assert len(listing.rows) == 48 - 2
    assert listing.rows["id"].is_unique().all()
    for row in listing.rows.iter_rows(named=True):
        frame = frame_of(row)
        zeros = 1 if frame[0] == "M002" else 4
        assert row["path"] == f"{folder}/BP4D/{frame[0]}/T{frame[1]}/{frame[2]:0{zeros}d}.jpg"
        codes = [tree.code(frame, au) for au in tree.AUS]
        assert [row[f"au{au:02d}"] for au in tree.AUS] == [None if code == 9 else code for code in codes]
    assert listing.rows["au02"].null_count() == 1
    assert listing.found[1:] == [
        "part1: 2 subjects, F001 F018",
        "part2: 2 subjects, F003 M002",
        "part3: 2 subjects, F007 M006",
    ]


@pytest.mark.parametrize("stage", ["aligned", "raw"])
def test_landmarks_by_frame_in_pixels_from_0(root: Path, faces: Faces, stage: str) -> None:
    reader = JAANet(root, stage=stage)
    rows = reader.list().rows.reverse()
    reader = pickle.loads(pickle.dumps(reader))
    expected = [tree.points(frame_of(row), faces, stage) for row in rows.iter_rows(named=True)]
    np.testing.assert_allclose(reader.landmarks(rows), expected, atol=1e-4)
    np.testing.assert_allclose(JAANet(root, stage=stage).landmarks(rows[:2]), expected[:2], atol=1e-4)
    pictures = list(reader.pictures(rows[:3]))
    assert [picture.image.shape[0] for picture in pictures] == [tree.SIZE[stage]] * 3


def test_without_crops_the_frames_are_read(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy/data/imgs")
    reader = JAANet(tmp_path / "copy")
    rows = reader.list().rows
    assert not reader.aligned
    assert rows["path"].str.starts_with("dataset/").all()


def test_flat_names_of_au_net(own: Path, faces: Faces) -> None:
    tree.write(own / "data/imgs/F007_T1_0643.jpg", faces.jpeg(1))
    put(own, "path", "F007_T1_0643.jpg\nF001_T1_0005.jpg", "BP4D_ts1")
    put(own, "AUoccur", LABELS.replace("0", "1", 1) + LABELS.rstrip(), "BP4D_ts1")
    reader = JAANet(own)
    listing = reader.list()
    assert listing.rows["id"].to_list() == ["F001/T1/5", "F007/T1/643"]
    assert listing.rows["au01"].to_list() == [0, 1]
    assert "1 of 2 lists have landmarks" in listing.found
    points = reader.landmarks(listing.rows)
    assert np.isnan(points).any((1, 2)).tolist() == [False, True]


def test_the_two_lists_of_au_net(own: Path, faces: Faces) -> None:
    """As NumPy writes labels; beside JAA-Net's list, whose frame they have too."""
    tree.write(own / "data/imgs/F007/T1/643.jpg", faces.jpeg(1))
    tree.write(own / "anno/BP4D_names_label.txt", b"F007/T1/643.jpg\nF001/T1/5.jpg\n")
    codes = [LABELS.replace("0", "1", 1), LABELS]
    labels = "".join(" ".join(f"{int(code):.18e}" for code in line.split()) + "\n" for line in codes)
    tree.write(own / "anno/au_labels.txt", labels.encode())
    listing = JAANet(own).list()
    assert listing.rows["id"].to_list() == ["F001/T1/5", "F007/T1/643"]
    assert listing.rows["au01"].to_list() == [0, 1]
    assert "1 of 2 lists have landmarks" in listing.found
    (own / "anno/au_labels.txt").unlink()
    assert any("BP4D_names_label.txt' has no list of labels" in sentence for sentence in JAANet(own).list().found)


def test_without_lists_of_landmarks_there_are_none(own: Path) -> None:
    (own / "data/list/BP4D_part1_land.txt").unlink()
    reader = JAANet(own)
    rows = reader.list().rows
    assert reader.landmark_set == "none"
    with pytest.raises(FauError, match="comes without landmarks"):
        reader.landmarks(rows)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("land", POINTS + POINTS, r"part1_path.txt' has 1 lines and '.*part1_land.txt' 2"),
        ("AUoccur", LABELS + LABELS, r"part1_path.txt' has 1 lines and '.*part1_AUoccur.txt' 2"),
        ("AUoccur", "0 1\n", r"line 1 of '.*AUoccur.txt' has 2 columns"),
        ("AUoccur", LABELS.replace("0", "5"), "AU1, holds the unknown code '5'"),
        ("path", "../BP4D/F001/T1/0005.jpg", "no path inside its folder"),
        ("path", "BP4D/F001/0005.jpg", "from which no frame of BP4D is known"),
    ],
)
def test_foreign_lists_are_refused(own: Path, name: str, text: str, message: str) -> None:
    put(own, name, text)
    with pytest.raises(FauError, match=message):
        JAANet(own).list()


@pytest.mark.parametrize("text", ["1 2 3\n", POINTS.replace("1.5", "x", 1)])
def test_foreign_landmarks_are_refused(own: Path, text: str) -> None:
    put(own, "land", text)
    reader = JAANet(own)
    rows = reader.list().rows
    with pytest.raises(FauError, match="other than 98 numbers"):
        reader.landmarks(rows)


def test_a_wrong_root_is_refused(own: Path) -> None:
    with pytest.raises(FauError, match="has no lists of bp4d or disfa"):
        JAANet(own / "data/imgs").list()
    put(own, "path", "BP4D/F001/T1/9.jpg")
    with pytest.raises(FauError, match="say with --images where the pictures are"):
        JAANet(own).list()
    (own / "data/list/BP4D_part1_AUoccur.txt").unlink()
    with pytest.raises(FauError, match=r"has a list of labels such as BP4D_part1_AUoccur.txt beside it"):
        JAANet(own).list()
