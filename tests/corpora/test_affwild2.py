from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from faces import Faces
from trees import affwild2 as tree

from fau.corpora.affwild2 import AffWild2
from fau.corpora.losses import NO_CROP, NO_IMAGE, NOT_ANNOTATED, NOT_CODED
from fau.corpora.registry import corpus
from fau.errors import FauError

AU_FOLDER = f"{tree.EDITION}/AU_Detection_Challenge"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, faces: Faces) -> Path:
    folder = tmp_path_factory.mktemp("affwild2")
    tree.build(folder, faces)
    return folder


@pytest.fixture
def own(tmp_path: Path, faces: Faces) -> Path:
    """A tree to spoil: one video."""
    tree.write(tmp_path / "cropped_aligned/v/00001.jpg", faces.jpeg(0))
    tree.write(tmp_path / AU_FOLDER / "Train_Set/v.txt", (heading() + "\n" + zeros() + "\n").encode())
    return tmp_path


def heading() -> str:
    return ",".join(f"AU{au}" for au in tree.AUS)


def zeros(last: str = "0") -> str:
    return ",".join(["0"] * 11 + [last])


def test_it_is_registered() -> None:
    assert corpus("affwild2") is AffWild2


def test_lists_action_units_by_frame_number(root: Path) -> None:
    listing = AffWild2(root).list()
    rows = listing.rows
    assert listing.losses.counts == {NOT_CODED: 9, NOT_ANNOTATED: 1, NO_CROP: 4, NO_IMAGE: 3}
    assert listing.losses.unexpected == 3
    assert rows["sequence"].unique(maintain_order=True).to_list() == [
        *("10-60-1280x720_left", "10-60-1280x720_right", "my video 2", "video3", "video4", "video5_left", "video12"),
    ]
    assert rows.group_by("sequence", maintain_order=True).len()["len"].to_list() == [7, 8, 6, 8, 7, 8, 8]
    for row in rows.iter_rows(named=True):
        video, frame = row["sequence"], row["frame"]
        assert row["id"] == f"{video}/{frame}"
        assert row["path"] == f"cropped_aligned/{video}/{frame:05d}.jpg"
        for au in tree.AUS:
            code = tree.au_code(tree.index(video), frame, au)
            assert row[f"au{au:02d}"] == (None if code == -1 else code), row["id"]
    assert rows["au04"].null_count() == 1
    assert rows["expression"].null_count() == rows["valence"].null_count() == len(rows) == 52
    assert rows["id"].is_unique().all()


def test_losses_name_the_frames(root: Path) -> None:
    frame = AffWild2(root).list().losses.frame
    ids = {cause[0]: part["id"].to_list() for cause, part in frame.partition_by("cause", as_dict=True).items()}
    assert ids[NO_CROP] == ["my video 2/2", "my video 2/7", "video3/9", "video3/10"]
    assert ids[NOT_ANNOTATED] == ["10-60-1280x720_left/3"]
    assert ids[NOT_CODED] == ["video4/8", *(f"video6/{k}" for k in range(1, 9))]
    assert ids[NO_IMAGE] == [f"video7/{k}" for k in range(1, 4)]


def test_two_people_of_a_video_are_one_subject_and_sets_are_splits(root: Path) -> None:
    rows = AffWild2(root).list().rows
    table = rows.select("sequence", "subject", "split").unique(maintain_order=True)
    assert dict(zip(table["sequence"], table["subject"], strict=True)) == {
        **{"10-60-1280x720_left": "10-60-1280x720", "10-60-1280x720_right": "10-60-1280x720"},
        **{"my video 2": "my video 2", "video3": "video3", "video4": "video4", "video5_left": "video5"},
        "video12": "video12",
    }
    assert dict(zip(table["sequence"], table["split"], strict=True)) == {
        **dict.fromkeys(tree.TRAIN, "train"),
        **dict.fromkeys(tree.VAL, "val"),
    }


def test_a_video_whose_people_the_owner_divides_is_two_subjects(root: Path, tmp_path: Path, faces: Faces) -> None:
    for video, part in (("a_left", "Train_Set"), ("a_right", "Validation_Set"), ("b_left", "Train_Set")):
        tree.write(tmp_path / "cropped_aligned" / video / "00001.jpg", faces.jpeg(0))
        tree.write(tmp_path / AU_FOLDER / part / f"{video}.txt", f"{heading()}\n{zeros()}".encode())
    listing = AffWild2(tmp_path).list()
    assert listing.rows["subject"].to_list() == ["a_left", "a_right", "b"]
    assert any("1 (a)" in sentence for sentence in listing.found)


@pytest.mark.parametrize("folder", ["EXPR_Classification_Challenge", "EXPR_Recognition_Challenge"])
def test_lists_expressions(tmp_path: Path, faces: Faces, folder: str) -> None:
    tree.build(tmp_path, faces, "3rd ABAW Annotations", folder)
    listing = AffWild2(tmp_path, task="expr").list()
    assert listing.losses.counts == {NOT_CODED: 9, NOT_ANNOTATED: 7, NO_CROP: 4, NO_IMAGE: 3}
    assert len(listing.rows) == 46
    for row in listing.rows.iter_rows(named=True):
        code = tree.expression_code(tree.index(row["sequence"]), row["frame"])
        assert row["expression"] == tree.EXPRESSIONS[code].lower()
    assert "au01" not in listing.rows.columns


def test_the_header_says_which_code_is_which_class(own: Path) -> None:
    names = "Neutral,Anger,Disgust,Fear,Happiness,Surprise,Sadness"  # seven of them, two in another order
    tree.write(own / tree.EDITION / "EXPR_Set/Train_Set/v.txt", f"{names}\n5\n".encode())
    rows = AffWild2(own, task="expr").list().rows
    assert rows["expression"].to_list() == ["surprise"]


def test_lists_valence_and_arousal(root: Path) -> None:
    listing = AffWild2(root, task="va").list()
    assert listing.losses.counts == {NOT_CODED: 9, NOT_ANNOTATED: 7, NO_CROP: 4, NO_IMAGE: 3}
    expected = [tree.affect(tree.index(r["sequence"]), r["frame"]) for r in listing.rows.iter_rows(named=True)]
    np.testing.assert_allclose(listing.rows.select("valence", "arousal").to_numpy(), expected, atol=1e-6)


def test_lists_the_multi_task_lists(root: Path) -> None:
    listing = AffWild2(root, task="mtl").list()
    rows = listing.rows
    assert listing.losses.counts == {NOT_CODED: 34, NOT_ANNOTATED: 1, NO_IMAGE: 1}
    assert len(rows) == 27
    assert sorted(rows["frame"].unique()) == [1, 3, 5, 6]
    assert rows["expression"].null_count() == 7
    assert rows["valence"].null_count() == rows["arousal"].null_count() == 6
    first = rows.filter(pl.col("id") == "10-60-1280x720_left/3").row(0, named=True)
    assert [first[f"au{au:02d}"] for au in tree.AUS] == [None] * 12
    assert first["expression"] == "fear"
    other = rows.filter(pl.col("id") == "video12/5").row(0, named=True)
    assert [other[f"au{au:02d}"] for au in tree.AUS] == [tree.au_code(3, 5, au) for au in tree.AUS]


def test_the_last_header_cell_of_a_multi_task_list_may_mean_all_action_units(own: Path) -> None:
    line = "v/00001.jpg,0.5,-0.25,-1," + zeros("1")
    tree.write(own / "MTL_Challenge/train_set.txt", f"image,valence,arousal,expression,aus\n{line}".encode())
    row = AffWild2(own, task="mtl").list().rows.row(0, named=True)
    assert (row["valence"], row["arousal"], row["expression"]) == (0.5, -0.25, None)
    assert (row["au25"], row["au26"]) == (0, 1)


def test_reads_archives_in_place(root: Path, tmp_path: Path) -> None:
    tree.write_tasks(tmp_path / "annotations")
    with zipfile.ZipFile(tmp_path / "cropped_aligned.zip", "w") as archive:
        for file in (root / "cropped_aligned").rglob("*.jpg"):
            archive.write(file, file.relative_to(root))
    reader = AffWild2(tmp_path)
    rows = reader.list().rows
    drop = pl.exclude("path")
    assert rows.select(drop).equals(AffWild2(root).list().rows.select(drop))
    again = pickle.loads(pickle.dumps(reader))
    assert next(again.pictures(rows[:1])).image.shape == (112, 112, 3)


def test_one_edition_of_several_is_chosen(root: Path, tmp_path: Path, own: Path) -> None:
    tree.write(own / "8th ABAW/AU_Detection_Challenge/Train_Set/v.txt", f"{heading()}\n{zeros('1')}\n".encode())
    with pytest.raises(FauError, match="choose one with --annotations"):
        AffWild2(own).list()
    assert AffWild2(own, annotations="8th ABAW").list().rows["au26"].to_list() == [1]
    assert AffWild2(own, annotations=tree.EDITION).list().rows["au26"].to_list() == [0]
    with pytest.raises(FauError, match="no path inside"):
        AffWild2(own, annotations="../elsewhere").list()
    with pytest.raises(FauError, match="has no folder 'au_detection_challenge'"):
        AffWild2(own, annotations="8th").list()


def test_an_empty_line_keeps_its_number(own: Path, faces: Faces) -> None:
    tree.write(own / "cropped_aligned/v/00003.JPG", faces.jpeg(0))
    text = f"{heading()}\r\n{zeros('1')}\r\n\r\n{zeros()}\r\n\r\n"
    tree.write(own / AU_FOLDER / "Train_Set/v.txt", text.encode())
    listing = AffWild2(own).list()
    assert listing.rows["frame"].to_list() == [1, 3]
    assert listing.rows["au26"].to_list() == [1, 0]
    assert listing.losses.counts == {NOT_ANNOTATED: 1}


def test_columns_follow_the_header_not_their_place(own: Path) -> None:
    names = ",".join(f"AU{au}" for au in reversed(tree.AUS))
    tree.write(own / AU_FOLDER / "Train_Set/v.txt", f"{names}\n{zeros('1')}\n".encode())
    row = AffWild2(own).list().rows.row(0, named=True)
    assert (row["au01"], row["au26"]) == (1, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty, without even a header"),
        ("valence,arousal\n0,0", "has the column 'valence', where 'au1,au2,"),
        (heading().replace("AU26", "AU20") + "\n" + zeros(), "has the column 'au20'"),
        (zeros() + "\n" + zeros(), "has the column '0'"),
        (heading() + "\n" + zeros() + "\n" + zeros() + ",1", "line 3 of .*v.txt' has more than 12 columns"),
        (heading() + "\n" + zeros() + "\n" + zeros()[:9], "line 3 of .*v.txt' has 5 of 12 columns"),
        (heading() + "\n" + zeros("2"), "v.txt', AU26, holds the unknown code '2'; known are 0, 1, and -1 for missing"),
        (heading() + "\n" + zeros("yes"), "holds the unknown code 'yes'"),
    ],
)
def test_a_foreign_label_file_is_refused(own: Path, text: str, message: str) -> None:
    (own / AU_FOLDER / "Train_Set/v.txt").write_text(text)
    with pytest.raises(FauError, match=message):
        AffWild2(own).list()


@pytest.mark.parametrize(
    ("task", "text", "message"),
    [
        ("va", "valence,arousal\n0,-2", "arousal, holds the value '-2'; known are -1 to 1"),
        ("va", "valence,arousal\n0,nan", "holds the value 'nan'"),
        ("va", "AU1,AU2\n0,0", "has the column 'au1'"),
        ("expr", "Neutral,Anger\n0", "has the header 'neutral,anger'"),
        ("expr", ",".join(tree.EXPRESSIONS) + "\n8", "unknown code '8'"),
        ("mtl", "image,a,b\nv/00001.jpg,0,0", "has the header 'image,a,b'"),
        ("mtl", "image,valence,arousal,expression,aus\n../v/00001.jpg" + ",0" * 15, "no path inside its folder"),
        ("mtl", "image,valence,arousal,expression,aus\n../00001.jpg" + ",0" * 15, "no path inside its folder"),
        ("mtl", "image,valence,arousal,expression,aus\nv.jpg" + ",0" * 15, "not of the form"),
        (
            "mtl",
            "image,valence,arousal,expression,aus\nv/1.jpg" + ",0" * 15 + "\nv/01.jpg" + ",0" * 15,
            "two lines for 'v/1.jpg'",
        ),
        ("mtl", "image,valence,arousal,expression,aus\nv/1.jpg,0,0", "line 2 of .*train_set.txt' has 3 of 16 columns"),
        ("va", "valence,arousal\n0,0\n\n0", "line 4 of .*v.txt' has 1 of 2 columns"),
    ],
)
def test_foreign_labels_of_other_tasks_are_refused(own: Path, task: str, text: str, message: str) -> None:
    place = {"va": "VA_Set/Train_Set/v.txt", "expr": "EXPR_Set/Train_Set/v.txt", "mtl": "MTL_Challenge/train_set.txt"}
    tree.write(own / place[task], text.encode())
    with pytest.raises(FauError, match=message):
        AffWild2(own, task=task).list()


def test_what_is_given_twice_is_refused(own: Path, faces: Faces) -> None:
    tree.write(own / "cropped_aligned/v/1.png", faces.png(0))
    with pytest.raises(FauError, match=r"00001.jpg' are one frame|1.png' are one frame"):
        AffWild2(own).list()
    (own / "cropped_aligned/v/1.png").unlink()
    text = (own / AU_FOLDER / "Train_Set/v.txt").read_bytes()
    tree.write(own / AU_FOLDER / "Validation_Set/v.txt", text)
    with pytest.raises(FauError, match="video 'v' has labels in both"):
        AffWild2(own).list()


def test_a_wrong_root_is_refused(tmp_path: Path, own: Path) -> None:
    with pytest.raises(FauError, match="does not exist"):
        AffWild2(tmp_path / "nowhere")
    with pytest.raises(FauError, match="has no folder 'cropped_aligned'"):
        AffWild2(own / AU_FOLDER).list()
    with pytest.raises(FauError, match="has no folder 'va_estimation_challenge'"):
        AffWild2(own, task="va").list()
    with pytest.raises(FauError, match="option task is 'pose'"):
        AffWild2(own, task="pose")
    (own / AU_FOLDER / "Train_Set/v.txt").rename(own / AU_FOLDER / "Train_Set/w.txt")
    with pytest.raises(FauError, match="has no crop with a label"):
        AffWild2(own).list()
